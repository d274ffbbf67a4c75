// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func TestGetOrNil(t *testing.T) {
	stored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}, Data: map[string][]byte{"a": {1}}}
	reader := fake.NewClientBuilder().WithObjects(stored).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if name.Name == "broken" {
				return errors.New("connection refused")
			}
			return c.Get(ctx, name, object, options...)
		},
	}).Build()
	for name, want := range map[string]struct {
		found bool
		err   string
	}{
		"orders":  {found: true},
		"missing": {},
		"broken":  {err: "read Secret shop/broken: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := GetOrNil[corev1.Secret](t.Context(), reader, client.ObjectKey{Namespace: "shop", Name: name})
			if text := errorText(err); text != want.err {
				t.Errorf("error %q, want %q", text, want.err)
			}
			if (got != nil) != want.found || got != nil && got.Name != name {
				t.Errorf("GetOrNil = %v, want an object: %t", got, want.found)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
