package advice

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// waiting is the status of what waits for something else.
const waiting = "Unknown, then False"

// KeyReady is the reasons of Ready of a key.
var KeyReady = []Advice{
	{
		signetv1alpha1.ReasonReady, "True",
		"there is material and nothing is wrong",
		Nothing,
	},
	{
		signetv1alpha1.ReasonSecretTerminating, "True",
		"the managed Secret was deleted under a bound key. It is held, can be read and mounted, and goes on serving",
		"nothing at once. The Secret goes together with the key; to have a fresh one, move the bindings to a new key and delete this one",
	},
	{
		signetv1alpha1.ReasonSecretTerminating, waiting,
		"it was deleted while no binding used the key, and is not gone yet",
		"nothing: new material is made when it is gone",
	},
	{
		signetv1alpha1.ReasonSecretTerminating, "False",
		"it was deleted while bound and nothing holds it, since somebody had taken the finalizer off",
		"save its content at once and restore it when it is gone",
	},
	{
		signetv1alpha1.ReasonTypeNotEnabled, "True with material, else False",
		"type PublicKey, and the manager runs without `--public-key-enable`. Existing material goes on signing",
		"start the manager with the flag, or use another type",
	},
	{
		signetv1alpha1.ReasonSourceNotFound, waiting,
		"the Secret in `spec.source.secretRef` does not exist or lacks the label `signet.dev/signature-material: \"true\"`. The last good material stays in force",
		"create or label it",
	},
	{
		signetv1alpha1.ReasonInvalidSource, "False",
		"`spec.source.secretRef` names a managed Secret, and two keys must not renew each other",
		"name a Secret of your own",
	},
	{
		signetv1alpha1.ReasonInvalidMaterial, "False",
		"what the source supplies breaks a rule, or the source and `spec.identifier` differ. The last good material stays in force",
		"mend the source as the message says",
	},
	{
		signetv1alpha1.ReasonInvalidSpec, "False",
		"the spec breaks a rule; it came in past admission, before there was the rule or while webhooks and CRDs did not check it",
		"mend the spec as the message says",
	},
	{
		signetv1alpha1.ReasonSecretOwnedByOther, "False",
		"a Secret or ConfigMap of the managed name is there and is not ours. It is left untouched",
		"delete or rename it, or make a key with another `spec.target.name`",
	},
	{
		signetv1alpha1.ReasonSecretLost, "False",
		"the managed Secret of a bound key is gone, or its bytes make no key. Nothing signs, and nothing is generated of its own accord",
		"restore the Secret from a backup; or set `spec.rotation.trigger` to another text, which is the consent to generate new material at once",
	},
	{
		signetv1alpha1.ReasonKeyTerminating, "False",
		"the key was deleted before it had material, and bindings that name it keep it",
		"point these bindings at another key, or delete them",
	},
	{
		signetv1alpha1.ReasonNamespaceTerminating, waiting,
		"the namespace is being deleted",
		Nothing,
	},
}

// KeyInUse is the reasons of InUse of a key.
var KeyInUse = []Advice{
	{
		signetv1alpha1.ReasonBound, "True",
		"bindings use the key: `status.bindings` has their number and ten names",
		Nothing,
	},
	{
		signetv1alpha1.ReasonNotBound, "False",
		"none does",
		Nothing,
	},
	{
		signetv1alpha1.ReasonDeletionBlocked, "True",
		"the key is deleted and waits for the bindings that the message names. It goes on signing",
		"delete these, or point their `keyRef` at another key. The deletion cannot be taken back",
	},
}

// BindingReady is the reasons of Ready of a binding.
var BindingReady = []Advice{
	{
		signetv1alpha1.ReasonBound, "True",
		"the key signs for all APIs",
		Nothing,
	},
	{
		signetv1alpha1.ReasonPartlyOffline, "True",
		"an API that was published is not any more. The binding keeps it",
		"nothing, or publish the route again",
	},
	{
		signetv1alpha1.ReasonStandby, "True",
		"another binding holds an API and signs with the same key in the same way. This one takes over when it lets go, as when a binding is renamed",
		"nothing, or delete the one that is not needed",
	},
	{
		signetv1alpha1.ReasonNotPublished, waiting,
		"an API has never been published in the environment: the route is not there, no Gateway has accepted it, or none of those Gateways has the label `signet.dev/environment` with this value",
		"publish the route, or label the Gateway. `status.apis` says which API",
	},
	{
		signetv1alpha1.ReasonKeyNotFound, waiting,
		"there is no key of that name in the namespace",
		"create it or mend `spec.keyRef`",
	},
	{
		signetv1alpha1.ReasonKeyNotReady, waiting,
		"the key has no material yet",
		"see the key's own condition",
	},
	{
		signetv1alpha1.ReasonConflicted, "False",
		"another binding holds an API, and signs with another key or in another way. `status.apis[].holder` names it",
		"drop the API here or there, or delete one binding",
	},
	{
		signetv1alpha1.ReasonKeyTerminating, "False",
		"the key was deleted before this binding was made. It holds nothing",
		"name another key",
	},
	{
		signetv1alpha1.ReasonSecretLost, "False",
		"the key has lost its Secret: nothing signs",
		"see the key",
	},
	{
		signetv1alpha1.ReasonTypeNotEnabled, "False",
		"the key's type is not enabled and it has no material",
		"see the key",
	},
	{
		signetv1alpha1.ReasonInvalidSpec, "False",
		"the spec breaks a rule; it came in past admission, before there was the rule or while webhooks and CRDs did not check it",
		"mend the spec as the message says",
	},
}
