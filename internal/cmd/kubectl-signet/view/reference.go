// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// ParseKind parses the kind of an API in any case.
func ParseKind(text string) (signetv1alpha1.APIKind, error) {
	for _, kind := range []signetv1alpha1.APIKind{
		signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI,
	} {
		if strings.EqualFold(text, string(kind)) {
			return kind, nil
		}
	}
	return "", fmt.Errorf("unknown kind %q: must be httproute, grpcroute or api", text)
}

// ParseAPI parses an API as commands accept it: httproute/orders.
func ParseAPI(text string) (signetv1alpha1.APIReference, error) {
	kindText, name, found := strings.Cut(text, "/")
	if !found || name == "" {
		return signetv1alpha1.APIReference{}, fmt.Errorf("%q is not an API: use httproute/NAME, grpcroute/NAME or api/NAME", text)
	}
	kind, err := ParseKind(kindText)
	if err != nil {
		return signetv1alpha1.APIReference{}, err
	}
	return signetv1alpha1.NewAPIReference(kind, name), nil
}
