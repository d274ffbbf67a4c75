// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/status"
)

// maxAPIs is the maximum number of APIs of a binding.
const maxAPIs = 1000

// NewBinding returns a binding of the key to the APIs. Without a name it is named
// after key and environment.
func NewBinding(namespace, name, key, environment string, apis []signetv1alpha1.APIReference) (*signetv1alpha1.SignatureBinding, error) {
	if len(apis) > maxAPIs {
		return nil, fmt.Errorf("%d routes match, but a binding has at most %d APIs: narrow --selector or --containing", len(apis), maxAPIs)
	}
	sorted := slices.Clone(apis)
	slices.SortFunc(sorted, func(a, b signetv1alpha1.APIReference) int {
		return cmp.Or(-cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return &signetv1alpha1.SignatureBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: signetv1alpha1.GroupVersion.String(), Kind: "SignatureBinding"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      cmp.Or(name, key+"-"+strings.ReplaceAll(strings.ToLower(environment), "_", "-")),
		},
		Spec: signetv1alpha1.SignatureBindingSpec{
			KeyRef: signetv1alpha1.LocalReference{Name: key}, Environment: environment, APIs: sorted,
		},
	}, nil
}

// NoRoute returns an error that no route matches, with some routes that exist.
func NoRoute(namespace, kind, selector, containing string, existing []signetv1alpha1.APIReference) error {
	what := "route"
	if kind != "" {
		what = kind
	}
	if len(existing) == 0 {
		return fmt.Errorf("no %s exists in namespace %q", what, namespace)
	}
	var sought []string
	if selector != "" {
		sought = append(sought, "-l "+selector)
	}
	if containing != "" {
		sought = append(sought, "--containing "+containing)
	}
	names := make([]string, 0, len(existing))
	for _, api := range existing {
		names = append(names, APIName(api))
	}
	return fmt.Errorf("no %s in namespace %q matches %s: there are %s",
		what, namespace, strings.Join(sought, " and "), status.Enumerate(names))
}

// Bare returns the binding as a user writes it, without status.
func Bare(binding *signetv1alpha1.SignatureBinding) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(binding)
	if err != nil {
		return nil, fmt.Errorf("convert binding: %w", err)
	}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: content}, nil
}
