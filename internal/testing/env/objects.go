// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/match"
)

// NewNamespace creates a namespace for one spec and returns its name. It stays
// until the control plane stops.
func NewNamespace(ctx context.Context, c client.Client) string {
	GinkgoHelper()
	return Create(ctx, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}).Name
}

// Create creates an object and returns it.
func Create[T client.Object](ctx context.Context, c client.Client, object T) T {
	GinkgoHelper()
	Expect(c.Create(ctx, object)).To(Succeed())
	return object
}

// Reload reads an object again, into a copy.
func Reload[T client.Object](g Gomega, ctx context.Context, c client.Reader, object T) T {
	fresh, ok := object.DeepCopyObject().(T)
	g.Expect(ok).To(BeTrue())
	g.Expect(c.Get(ctx, client.ObjectKeyFromObject(object), fresh)).To(Succeed())
	return fresh
}

// Update changes the current state of an object, and repeats that after a
// conflict. It returns the object as written.
func Update[T client.Object](ctx context.Context, c client.Client, object T, mutate func(T)) T {
	GinkgoHelper()
	var fresh T
	Eventually(func(g Gomega) {
		fresh = Reload(g, ctx, c, object)
		mutate(fresh)
		g.Expect(c.Update(ctx, fresh)).To(Succeed())
	}).Should(Succeed())
	return fresh
}

// UpdateStatus is Update for the status.
func UpdateStatus[T client.Object](ctx context.Context, c client.Client, object T, mutate func(T)) T {
	GinkgoHelper()
	var fresh T
	Eventually(func(g Gomega) {
		fresh = Reload(g, ctx, c, object)
		mutate(fresh)
		g.Expect(c.Status().Update(ctx, fresh)).To(Succeed())
	}).Should(Succeed())
	return fresh
}

// ExpectGone expects that an object does not exist.
func ExpectGone(g Gomega, ctx context.Context, c client.Reader, object client.Object) {
	fresh, ok := object.DeepCopyObject().(client.Object)
	g.Expect(ok).To(BeTrue())
	g.Expect(c.Get(ctx, client.ObjectKeyFromObject(object), fresh)).To(MatchError(apierrors.IsNotFound, "NotFound"))
}

// Events returns the Events about an object as "Type Reason: note".
func Events(g Gomega, ctx context.Context, c client.Reader, object client.Object) []string {
	var list corev1.EventList
	g.Expect(c.List(ctx, &list, client.InNamespace(object.GetNamespace()))).To(Succeed())
	var events []string
	for i := range list.Items {
		if event := &list.Items[i]; event.InvolvedObject.UID == object.GetUID() {
			events = append(events, fmt.Sprintf("%s %s: %s", event.Type, event.Reason, event.Message))
		}
	}
	return events
}

// ExpectReady waits until the Ready condition of a key or a binding has this
// status and reason for the current generation, and returns its message.
func ExpectReady[T client.Object](ctx context.Context, c client.Reader, object T, status metav1.ConditionStatus, reason string) string {
	GinkgoHelper()
	var message string
	Eventually(func(g Gomega) {
		fresh := Reload(g, ctx, c, object)
		g.Expect(fresh).To(match.Ready(status, reason))
		conditions, err := match.Conditions(fresh)
		g.Expect(err).NotTo(HaveOccurred())
		message = meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady).Message
	}).Should(Succeed())
	return message
}
