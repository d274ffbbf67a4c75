package view

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// maxAPIs is how many APIs a binding takes.
const maxAPIs = 1000

// NewBinding makes a binding of the key to the APIs. An empty name is made of
// key and environment.
func NewBinding(namespace, name, key, environment string, apis []signetv1alpha1.APIReference) (*signetv1alpha1.SignatureBinding, error) {
	switch {
	case len(apis) == 0:
		return nil, errors.New("no route of namespace " + namespace + " matches: a binding needs one")
	case len(apis) > maxAPIs:
		return nil, fmt.Errorf("%d routes match, and a binding takes %d: narrow the selector", len(apis), maxAPIs)
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

// Bare is the binding as a user writes it, without status.
func Bare(binding *signetv1alpha1.SignatureBinding) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(binding)
	if err != nil {
		return nil, fmt.Errorf("lay out the binding: %w", err)
	}
	delete(content, "status")
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: content}, nil
}
