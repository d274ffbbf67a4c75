package slots

import (
	"cmp"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// signingOptions is how requests of an API are signed for a binding: with which key,
// what of them, and where the signature goes.
type signingOptions struct{ key, payload, header, host, signedHeaders string }

// optionsWith is how the binding signs with the key of that name. The header's name
// has no case, and the signed ones have no order; the host is signed as it is.
func optionsWith(binding *signetv1alpha1.SignatureBinding, key string) signingOptions {
	signed := slices.Sorted(slices.Values(binding.Spec.SignedHeaders))
	return signingOptions{
		key: key, payload: string(binding.EffectivePayload()), header: strings.ToLower(binding.EffectiveSignatureHeader()),
		host: binding.Spec.BackendHost, signedHeaders: strings.Join(signed, ","),
	}
}

// effectiveOptions is how the binding signs for what it holds, or would: during a move
// still with the key before.
func effectiveOptions(binding *signetv1alpha1.SignatureBinding) signingOptions {
	return optionsWith(binding, cmp.Or(binding.Status.KeyName, binding.Spec.KeyRef.Name))
}

// SignsAlike says that the holder of a slot signs with the key that another
// claimant names, and in the way that it wants. Then the claimant lacks
// nothing, and it is no conflict: the API has one key.
func SignsAlike(holder, claimant *signetv1alpha1.SignatureBinding) bool {
	return effectiveOptions(holder) == optionsWith(claimant, claimant.Spec.KeyRef.Name)
}
