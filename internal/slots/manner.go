package slots

import (
	"cmp"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// manner is how requests of an API are signed for a binding: with which key,
// what of them, and where the signature goes.
type manner struct{ key, payload, header, host, signedHeaders string }

// mannerOf is how the binding signs with the key of that name. The header's name
// has no case, and the signed ones have no order; the host is signed as it is.
func mannerOf(binding *signetv1alpha1.SignatureBinding, key string) manner {
	signed := slices.Sorted(slices.Values(binding.Spec.SignedHeaders))
	return manner{
		key: key, payload: string(binding.EffectivePayload()), header: strings.ToLower(binding.EffectiveHeader()),
		host: binding.Spec.Host, signedHeaders: strings.Join(signed, ","),
	}
}

// signing is how the binding signs for what it holds, or would: during a move
// still with the key before.
func signing(binding *signetv1alpha1.SignatureBinding) manner {
	return mannerOf(binding, cmp.Or(binding.Status.KeyName, binding.Spec.KeyRef.Name))
}

// SignsFor says that the holder of a slot signs with the key that another
// claimant names, and in the way that it wants. Then the claimant lacks
// nothing, and it is no conflict: the API has one key.
func SignsFor(holder, claimant *signetv1alpha1.SignatureBinding) bool {
	return signing(holder) == mannerOf(claimant, claimant.Spec.KeyRef.Name)
}
