// SPDX-License-Identifier: Apache-2.0

package namespaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// Check finds out whether a namespace can be served. An error means that this is not
// known.
type Check func(ctx context.Context, namespace string) (Access, error)

// Access is whether a namespace can be served.
type Access struct {
	// Problem is why it cannot, and what to do; empty if it can.
	Problem string
	// Absent are the kinds that cannot be watched, in order. The namespace can be
	// served without them.
	Absent []schema.GroupKind
}

// Requirements are what a command needs in each namespace.
type Requirements struct {
	// Permissions that the command cannot work without.
	Permissions []kubeclient.Permission
	// Optional are the permissions for a kind that is not watched without them.
	Optional map[schema.GroupKind][]kubeclient.Permission
	// Existence is true if the command may read the namespace, so that one that does
	// not exist can be told from one without permissions.
	Existence bool
	// Remedy is what to do if a permission is missing.
	Remedy string
}

// NewCheck returns a Check of the identity in the configuration.
func NewCheck(config *rest.Config, needs Requirements) (Check, error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	return func(ctx context.Context, namespace string) (Access, error) {
		return needs.check(ctx, clients, namespace)
	}, nil
}

func (n Requirements) check(ctx context.Context, clients kubernetes.Interface, namespace string) (Access, error) {
	var missing *kubeclient.MissingPermissionsError
	err := kubeclient.ReviewAccess(ctx, clients, kubeclient.ForNamespaces([]string{namespace}, n.Permissions...))
	if errors.As(err, &missing) {
		return Access{Problem: missing.Summary() + ". " + n.Remedy}, nil
	}
	if err != nil {
		return Access{}, err
	}
	if n.Existence {
		_, err := clients.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return Access{Problem: "it does not exist. Create it, or remove it from --namespaces"}, nil
		}
		if err != nil && !apierrors.IsForbidden(err) {
			return Access{}, fmt.Errorf("read Namespace %s: %w", namespace, err)
		}
	}
	var access Access
	for kind, permissions := range n.Optional {
		err := kubeclient.ReviewAccess(ctx, clients, kubeclient.ForNamespaces([]string{namespace}, permissions...))
		if errors.As(err, &missing) {
			access.Absent = append(access.Absent, kind)
		} else if err != nil {
			return Access{}, err
		}
	}
	slices.SortFunc(access.Absent, func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
	return access, nil
}
