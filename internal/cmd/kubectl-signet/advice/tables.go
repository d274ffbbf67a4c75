// SPDX-License-Identifier: Apache-2.0

package advice

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// waiting is the status of an object that waits for another one.
const waiting = "Unknown, then False"

// KeyReady lists the reasons of Ready of a key.
var KeyReady = []Advice{
	{
		signetv1alpha1.ReasonReady, "True",
		"there is material and nothing is wrong",
		Nothing,
	},
	{
		signetv1alpha1.ReasonSecretTerminating, "True",
		"the managed Secret was deleted while the key was bound. It is protected, can be read and mounted, and keeps working",
		"nothing at once. The Secret is removed with the key; to replace it, move the bindings to a new key and delete this one",
	},
	{
		signetv1alpha1.ReasonSecretTerminating, waiting,
		"the managed Secret was deleted while no binding used the key, or it belongs to an earlier key of this name, and is not gone yet",
		"nothing: new material is generated when it is gone. If that takes longer than a minute, check its finalizers, or delete it: Kubernetes' garbage collector misses it if it does not see that the key is deleted and created again",
	},
	{
		signetv1alpha1.ReasonSecretTerminating, "False",
		"the managed Secret was deleted while the key was bound, and another client removed its protection; or the Secret of an earlier key of this name is being deleted, and bindings still rely on it",
		"save its content at once and restore it when it is gone. That of an earlier key is removed, and new material generated, when you set `spec.rotation.trigger` to another value",
	},
	{
		signetv1alpha1.ReasonTypeNotEnabled, "True with material, else False",
		"the type is PublicKey, and the manager runs without `--public-key-enable`. Existing material continues to sign",
		"start the manager with the flag, or use another type",
	},
	{
		signetv1alpha1.ReasonSourceNotFound, waiting,
		"the Secret in `spec.source.secretRef` does not exist or lacks the label `signet.dev/signature-material: \"true\"`. The last good material stays in effect",
		"create or label it",
	},
	{
		signetv1alpha1.ReasonInvalidSource, "False",
		"`spec.source.secretRef` names a managed Secret, and two keys must not rotate each other; or it supplies the cipher key of a key of type AES as an identifier, which the status would publish",
		"name a Secret of your own",
	},
	{
		signetv1alpha1.ReasonInvalidMaterial, "False",
		"a supplied value breaks a rule, or the source and `spec.identifier` differ. The last good material stays in effect",
		"fix the source as the message describes",
	},
	{
		signetv1alpha1.ReasonInvalidSpec, "False",
		"the spec breaks a rule; it was admitted before the rule existed, or while webhooks and CRDs did not check it",
		"fix the spec as the message describes",
	},
	{
		signetv1alpha1.ReasonSecretOwnedByOther, "False",
		"a Secret or ConfigMap with the managed name exists but is not managed by this key. It is left untouched",
		"delete it, or create a key with another `spec.target.name`",
	},
	{
		signetv1alpha1.ReasonSecretLost, "False",
		"the managed Secret of a bound key is missing, its bytes make no valid key, or another Secret is in its place. Nothing signs, and nothing is generated automatically",
		"restore the Secret from a backup; or set `spec.rotation.trigger` to a new value, which is the consent to generate new material at once, or to adopt the Secret that is there",
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
	{
		signetv1alpha1.ReasonNotServed, "False",
		"the manager runs with `--namespaces` and leaves this namespace, because its RoleBinding is being deleted. Signers keep signing with the material as it is; nothing rotates it or protects it from deletion",
		"nothing if that is intended. Otherwise create the RoleBinding again (`config/namespaced`): the key is then protected and reconciled again",
	},
	{
		signetv1alpha1.ReasonWriteRefused, waiting,
		"the API server has been refusing a write for the key for 30 seconds: a quota, a policy, an admission webhook or a missing permission. Nothing that depends on it is done; material that is in effect stays so",
		"remove the cause that the message quotes. The write is repeated within two minutes",
	},
	{
		signetv1alpha1.ReasonWriteFailed, waiting,
		"a write for the key has been failing for 30 seconds, for example because an admission webhook does not answer",
		"check the API server and its webhooks. The write is repeated within two minutes",
	},
}

// KeyInUse lists the reasons of InUse of a key.
var KeyInUse = []Advice{
	{
		signetv1alpha1.ReasonBound, "True",
		"bindings use the key: `status.bindings` has their number and up to ten names",
		Nothing,
	},
	{
		signetv1alpha1.ReasonNotBound, "False",
		"no binding uses the key",
		Nothing,
	},
	{
		signetv1alpha1.ReasonDeletionBlocked, "True",
		"the key is being deleted and waits for the bindings that the message names. It continues to sign",
		"delete these, or point their `keyRef` at another key. The deletion cannot be undone",
	},
}

// BindingReady lists the reasons of Ready of a binding.
var BindingReady = []Advice{
	{
		signetv1alpha1.ReasonBound, "True",
		"the key signs for all APIs",
		Nothing,
	},
	{
		signetv1alpha1.ReasonPartlyOffline, "True",
		"an API was published but is offline now. The binding keeps it",
		"nothing, or publish the route again",
	},
	{
		signetv1alpha1.ReasonStandby, "True",
		"another binding holds an API and signs identically. This one takes over when the other releases it, as when a binding is renamed",
		"nothing, or delete the one that is not needed",
	},
	{
		signetv1alpha1.ReasonNotPublished, waiting,
		"an API has never been published in the environment: the route does not exist, no Gateway has accepted it, or none of those Gateways has the label `signet.dev/environment` with this value",
		"publish the route, or label the Gateway. `status.apis` shows which API",
	},
	{
		signetv1alpha1.ReasonKeyNotFound, waiting,
		"the key does not exist in this namespace",
		"create it or fix `spec.keyRef`",
	},
	{
		signetv1alpha1.ReasonKeyNotReady, waiting,
		"the key has no material yet, or other bindings have yet to acknowledge that they do not hold an API. The message names which",
		"see the key's own condition; the other bindings resolve without action",
	},
	{
		signetv1alpha1.ReasonConflicted, "False",
		"another binding holds an API and signs differently. `status.apis[].holder` names it",
		"remove the API from one of the two, or delete one binding",
	},
	{
		signetv1alpha1.ReasonKeyTerminating, "False",
		"the key was deleted before this binding was created. The binding holds nothing",
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
		"the spec breaks a rule; it was admitted before the rule existed, or while webhooks and CRDs did not check it",
		"fix the spec as the message describes",
	},
	{
		signetv1alpha1.ReasonWriteRefused, waiting,
		"the API server has been refusing the finalizer on the key or on its Secret for 30 seconds. The binding gets no further APIs; what it holds is still signed for",
		"remove the cause that the message quotes. The write is repeated within two minutes",
	},
	{
		signetv1alpha1.ReasonWriteFailed, waiting,
		"the finalizer on the key or on its Secret could not be written for 30 seconds, for example because an admission webhook does not answer",
		"check the API server and its webhooks. The write is repeated within two minutes",
	},
}
