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

// maxAPIs is how many APIs a binding takes.
const maxAPIs = 1000

// NewBinding makes a binding of the key to the APIs. An empty name is made of
// key and environment.
func NewBinding(namespace, name, key, environment string, apis []signetv1alpha1.APIReference) (*signetv1alpha1.SignatureBinding, error) {
	if len(apis) > maxAPIs {
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

// NoRoute says that no route is as looked for, and which routes there are.
func NoRoute(namespace, kind, selector, containing string, there []signetv1alpha1.APIReference) error {
	what := "route"
	if kind != "" {
		what = kind
	}
	if len(there) == 0 {
		return fmt.Errorf("there is no %s in namespace %s", what, namespace)
	}
	var sought []string
	if selector != "" {
		sought = append(sought, "-l "+selector)
	}
	if containing != "" {
		sought = append(sought, "--containing "+containing)
	}
	var names []string
	for _, api := range there {
		names = append(names, APIName(api))
	}
	return fmt.Errorf("no %s of namespace %s matches %s: there are %s",
		what, namespace, strings.Join(sought, " and "), status.Enumerate(names))
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
