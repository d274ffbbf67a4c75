// SPDX-License-Identifier: Apache-2.0

package term

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// newTerm returns a term at whose start the resources have these versions.
func newTerm(t *testing.T, versions map[string]string) *Term {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), signetv1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	list := func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
		kind := list.GetObjectKind().GroupVersionKind().Kind
		if _, isBindings := list.(*signetv1alpha1.SignatureBindingList); isBindings {
			kind = "SignatureBindingList"
		}
		list.SetResourceVersion(versions[kind])
		return nil
	}
	live := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{List: list}).Build()
	return &Term{Cache: live, Live: live, Claims: slots.NewClaimCache()}
}

// An earlier leader may have sent a write of every version that is not newer than the
// term. The versions of two resources are not comparable.
func TestMayChange(t *testing.T) {
	term := newTerm(t, map[string]string{"SignatureBindingList": "1", "SignatureKeyList": "100", "SecretList": "50"})
	of := func(version string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: "orders", ResourceVersion: version}
	}
	if !term.MayChange(&signetv1alpha1.SignatureKey{ObjectMeta: of("101")}) {
		t.Error("before the term has begun, nothing is certain")
	}
	if err := term.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		object client.Object
		want   bool
	}{
		"a key of before":      {&signetv1alpha1.SignatureKey{ObjectMeta: of("99")}, true},
		"a key of the start":   {&signetv1alpha1.SignatureKey{ObjectMeta: of("100")}, true},
		"a key of this term":   {&signetv1alpha1.SignatureKey{ObjectMeta: of("101")}, false},
		"a Secret of before":   {&corev1.Secret{ObjectMeta: of("50")}, true},
		"a Secret of the term": {&corev1.Secret{ObjectMeta: of("51")}, false},
		"another object":       {&corev1.ConfigMap{ObjectMeta: of("1")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := term.MayChange(tc.object); got != tc.want {
				t.Errorf("may change: %v", got)
			}
		})
	}
}

// A list that fails is made again by the first reconcile.
func TestBeginAfterAFailure(t *testing.T) {
	term := newTerm(t, nil)
	working := term.Live
	broken := interceptor.NewClient(working.(client.WithWatch), interceptor.Funcs{ //nolint:forcetypeassert // a fake
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("no answer")
		},
	})
	term.Live = broken
	if err := term.Start(t.Context()); err != nil {
		t.Errorf("it ends the manager: %v", err)
	}
	if _, ok, err := term.Begin(t.Context(), "shop"); ok || err == nil || term.Claims.Namespace("shop").IsPrimed() {
		t.Errorf("begin = %v, %v", ok, err)
	}
	term.Live = working
	if _, ok, err := term.Begin(t.Context(), "shop"); !ok || err != nil || !term.Claims.Namespace("shop").IsPrimed() {
		t.Errorf("begin = %v, %v", ok, err)
	}
}
