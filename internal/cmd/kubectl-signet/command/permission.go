// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// reviewer explains refusals. Whether the API server refused a call for a
// missing permission, and which one, is reviewed and not read from its message:
// admission refuses with the same code.
type reviewer struct {
	client.WithWatch
	config *rest.Config
}

// withReviews returns a client whose errors contain an
// *kubeclient.MissingPermissionsError where the user lacks a permission.
func withReviews(c client.WithWatch, config *rest.Config) client.WithWatch {
	r := &reviewer{WithWatch: c, config: config}
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return r.review(ctx, c.Get(ctx, key, object, options...), "get", object, key)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return r.review(ctx, c.List(ctx, list, options...), "list", list, among(options))
		},
		Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			changes, err := c.Watch(ctx, list, options...)
			return changes, r.review(ctx, err, "watch", list, among(options))
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			// The name of what is created takes no part in authorization.
			return r.review(ctx, c.Create(ctx, object, options...), "create", object, client.ObjectKey{Namespace: object.GetNamespace()})
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return r.review(ctx, c.Patch(ctx, object, patch, options...), "patch", object, client.ObjectKeyFromObject(object))
		},
	})
}

// among is what a list or watch covers.
func among(options []client.ListOption) client.ObjectKey {
	applied := (&client.ListOptions{}).ApplyOptions(options)
	return client.ObjectKey{Namespace: applied.Namespace}
}

// review returns the error of a call, joined with the permission that the user
// lacks for it. If that cannot be found out, the error stays as it is.
func (r *reviewer) review(ctx context.Context, refusal error, verb string, object runtime.Object, key client.ObjectKey) error {
	if !apierrors.IsForbidden(refusal) {
		return refusal
	}
	kind, err := r.GroupVersionKindFor(object)
	if err != nil {
		return refusal
	}
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	mapping, err := r.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return refusal
	}
	needed := kubeclient.Permission{
		Group: mapping.Resource.Group, Resource: mapping.Resource.Resource, Verbs: []string{verb},
		Namespace: key.Namespace, Name: key.Name,
	}
	var missing *kubeclient.MissingPermissionsError
	if err := kubeclient.CheckAccess(ctx, r.config, []kubeclient.Permission{needed}); !errors.As(err, &missing) {
		return refusal
	}
	for i := range missing.Permissions {
		missing.Permissions[i].Name = "" // what to ask for is not about one object
	}
	return errors.Join(refusal, missing)
}
