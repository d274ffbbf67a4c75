// SPDX-License-Identifier: Apache-2.0

package slots

import (
	"cmp"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// signingOptions are how requests of an API are signed for a binding: with which
// key, which parts of them, and in which header.
type signingOptions struct{ key, payload, header, host, signedHeaders string }

// optionsWith returns how the binding signs with the key of that name. Names of
// headers are compared without case, signed headers without order; the host is
// signed as it is written.
func optionsWith(binding *signetv1alpha1.SignatureBinding, key string) signingOptions {
	signed := slices.Sorted(slices.Values(binding.Spec.SignedHeaders))
	return signingOptions{
		key: key, payload: string(binding.EffectivePayload()), header: strings.ToLower(binding.EffectiveSignatureHeader()),
		host: binding.Spec.BackendHost, signedHeaders: strings.Join(signed, ","),
	}
}

// effectiveOptions returns how the binding signs for the slots that it holds, or
// would sign: during a move still with the key before it.
func effectiveOptions(binding *signetv1alpha1.SignatureBinding) signingOptions {
	return optionsWith(binding, cmp.Or(binding.Status.KeyName, binding.Spec.KeyRef.Name))
}

// SignsAlike reports whether the holder of a slot signs with the key that another
// claimant names, and in the way that the claimant specifies. Then the claimant
// lacks nothing, and there is no conflict: the API has one key.
func SignsAlike(holder, claimant *signetv1alpha1.SignatureBinding) bool {
	return effectiveOptions(holder) == optionsWith(claimant, claimant.Spec.KeyRef.Name)
}
