// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	// reviewTimeout bounds the time of all reviews together.
	reviewTimeout = 10 * time.Second
	// maxConcurrentReviews bounds the load of a command with many namespaces.
	maxConcurrentReviews = 8
)

// Permission is a set of verbs on one resource.
type Permission struct {
	Group, Resource, Subresource string
	Verbs                        []string
	// Namespace is empty for all namespaces.
	Namespace string
	// Name is empty for all objects.
	Name string
}

func (p Permission) String() string {
	what, where := p.Resource, "in the whole cluster"
	if p.Subresource != "" {
		what += "/" + p.Subresource
	}
	if p.Group != "" {
		what += "." + p.Group
	}
	if p.Name != "" {
		what += " " + p.Name
	}
	if p.Namespace != "" {
		where = "in namespace " + p.Namespace
	}
	return fmt.Sprintf("%s %s %s", strings.Join(p.Verbs, ", "), what, where)
}

// ForNamespaces returns the permissions in each of the namespaces; without any,
// in the whole cluster.
func ForNamespaces(namespaces []string, permissions ...Permission) []Permission {
	if len(namespaces) == 0 {
		return permissions
	}
	all := make([]Permission, 0, len(namespaces)*len(permissions))
	for _, namespace := range namespaces {
		for _, permission := range permissions {
			permission.Namespace = namespace
			all = append(all, permission)
		}
	}
	return all
}

// MissingPermissionsError lists what an identity is not allowed to do.
type MissingPermissionsError struct {
	// User is the identity; empty if it is not known.
	User        string
	Permissions []Permission
}

func (e *MissingPermissionsError) Error() string {
	return e.Summary() + ": bind it to the roles in Signet's config/"
}

// Summary names the identity and what it is not allowed to do, without what to
// do about it.
func (e *MissingPermissionsError) Summary() string {
	missing := make([]string, 0, len(e.Permissions))
	for _, permission := range e.Permissions {
		missing = append(missing, permission.String())
	}
	return cmp.Or(e.User, "this identity") + " is not allowed to " + strings.Join(missing, "; ")
}

// CheckAccess returns a MissingPermissionsError if the API server reports that
// the identity lacks one of the permissions, and another error if the API server
// cannot be reached. Without this check a command would wait forever for caches
// that never fill.
func CheckAccess(ctx context.Context, config *rest.Config, permissions []Permission) error {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("create client: %w", err)
	}
	return ReviewAccess(ctx, clients, permissions)
}

// ReviewAccess is CheckAccess with clients that exist already.
func ReviewAccess(ctx context.Context, clients kubernetes.Interface, permissions []Permission) error {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	missing := make([]Permission, len(permissions))
	reviews, ctx := errgroup.WithContext(ctx)
	reviews.SetLimit(maxConcurrentReviews)
	for i, permission := range permissions {
		reviews.Go(func() error {
			refused, err := refusedVerbs(ctx, clients, permission)
			missing[i] = permission
			missing[i].Verbs = refused
			return err
		})
	}
	if err := reviews.Wait(); err != nil {
		return err
	}
	missing = slices.DeleteFunc(missing, func(p Permission) bool { return len(p.Verbs) == 0 })
	if len(missing) == 0 {
		return nil
	}
	return &MissingPermissionsError{User: whoami(context.WithoutCancel(ctx), clients), Permissions: missing}
}

func refusedVerbs(ctx context.Context, clients kubernetes.Interface, permission Permission) ([]string, error) {
	var refused []string
	for _, verb := range permission.Verbs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: verb, Group: permission.Group, Resource: permission.Resource, Subresource: permission.Subresource,
				Namespace: permission.Namespace, Name: permission.Name,
			},
		}}
		answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if apierrors.IsForbidden(err) {
			return nil, nil // not even the review is allowed: nothing is known
		}
		if err != nil {
			return nil, fmt.Errorf("review the permission to %s %s: %w", verb, permission.Resource, err)
		}
		if !answer.Status.Allowed {
			refused = append(refused, verb)
		}
	}
	return refused, nil
}

func whoami(ctx context.Context, clients kubernetes.Interface) string {
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	review, err := clients.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}
