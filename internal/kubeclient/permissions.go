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
	// askTimeout is how long all questions about rights may take.
	askTimeout = 10 * time.Second
	// asksAtATime bounds the questions of a command that has many namespaces.
	asksAtATime = 8
)

// Permission is what a command cannot do without: verbs on one resource.
type Permission struct {
	Group, Resource, Subresource string
	Verbs                        []string
	// Namespace in which; empty: in all.
	Namespace string
	// Name of the one object; empty: of all.
	Name string
}

func (r Permission) String() string {
	what, where := r.Resource, "in the whole cluster"
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	if r.Group != "" {
		what += "." + r.Group
	}
	if r.Name != "" {
		what += " " + r.Name
	}
	if r.Namespace != "" {
		where = "in namespace " + r.Namespace
	}
	return fmt.Sprintf("%s %s %s", strings.Join(r.Verbs, ", "), what, where)
}

// ForNamespaces are the rights in each of the namespaces; without any, in the whole
// cluster.
func ForNamespaces(namespaces []string, rights ...Permission) []Permission {
	if len(namespaces) == 0 {
		return rights
	}
	all := make([]Permission, 0, len(namespaces)*len(rights))
	for _, namespace := range namespaces {
		for _, right := range rights {
			right.Namespace = namespace
			all = append(all, right)
		}
	}
	return all
}

// MissingPermissionsError says what an identity may not do.
type MissingPermissionsError struct {
	// User is the identity; empty if it is not known.
	User        string
	Permissions []Permission
}

func (e *MissingPermissionsError) Error() string {
	return e.Summary() + ": bind it to the roles in Signet's config/"
}

// Summary names the identity and what it lacks, without what to do about it.
func (e *MissingPermissionsError) Summary() string {
	missing := make([]string, 0, len(e.Permissions))
	for _, right := range e.Permissions {
		missing = append(missing, right.String())
	}
	return cmp.Or(e.User, "this identity") + " lacks the right to " + strings.Join(missing, "; ")
}

// CheckAccess returns a MissingPermissionsError if the identity lacks one of the
// rights for certain, and another error if that cannot be asked now. Without the question a
// command would wait for ever for caches that nothing fills.
func CheckAccess(ctx context.Context, config *rest.Config, rights []Permission) error {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	missing := make([]Permission, len(rights))
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(asksAtATime)
	for i, right := range rights {
		asking.Go(func() error {
			refused, err := refusedVerbs(ctx, clients, right)
			missing[i] = right
			missing[i].Verbs = refused
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return err
	}
	missing = slices.DeleteFunc(missing, func(r Permission) bool { return len(r.Verbs) == 0 })
	if len(missing) == 0 {
		return nil
	}
	return &MissingPermissionsError{User: whoami(clients), Permissions: missing}
}

func refusedVerbs(ctx context.Context, clients kubernetes.Interface, right Permission) ([]string, error) {
	var refused []string
	for _, verb := range right.Verbs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: verb, Group: right.Group, Resource: right.Resource, Subresource: right.Subresource,
				Namespace: right.Namespace, Name: right.Name,
			},
		}}
		answer, err := clients.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if apierrors.IsForbidden(err) {
			return nil, nil // not even the question is allowed: nothing is known
		}
		if err != nil {
			return nil, fmt.Errorf("ask for the right to %s %s: %w", verb, right.Resource, err)
		}
		if !answer.Status.Allowed {
			refused = append(refused, verb)
		}
	}
	return refused, nil
}

func whoami(clients kubernetes.Interface) string {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	review, err := clients.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return ""
	}
	return review.Status.UserInfo.Username
}
