// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// refusal is what the API server answers to the writes that it refuses; none if it is
// nil.
type refusal func(client.Object) error

// refusing returns a store that refuses writes, except those of a status.
func refusing(t *testing.T, refused *refusal, objects ...client.Object) client.WithWatch {
	t.Helper()
	refuse := func(object client.Object) error {
		if *refused == nil {
			return nil
		}
		return (*refused)(object)
	}
	return newStore(t, interceptor.Funcs{
		Create: func(ctx context.Context, store client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if err := refuse(object); err != nil {
				return err
			}
			return store.Create(ctx, object, options...)
		},
		Patch: func(ctx context.Context, store client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := refuse(object); err != nil {
				return err
			}
			return store.Patch(ctx, object, patch, options...)
		},
	}, objects...)
}

// answering refuses the writes of one kind of object.
func answering[T client.Object](code int32, text string) refusal {
	return func(object client.Object) error {
		if _, isKind := object.(T); !isKind {
			return nil
		}
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: text}}
	}
}

// expectFailure reconciles after a while, expects that a write fails, and returns what
// is logged.
func (f *fixture) expectFailure(t *testing.T, after time.Duration) (logged string) {
	t.Helper()
	f.clock.SetTime(f.clock.Now().Add(after))
	_, err := f.reconcile(t)
	if err == nil {
		t.Fatal("the reconcile is not repeated")
	}
	return err.Error()
}

const exceededQuota = `secrets "orders" is forbidden: exceeded quota: none`

// refusedWrite is a write that is refused, and what is reported of it.
type refusedWrite struct {
	keyType signetv1alpha1.KeyType
	// before is what happens to a key at rest; nil if the first write is refused.
	before          func(*testing.T, *fixture)
	refused         refusal
	reason, message string
}

func triggered(t *testing.T, f *fixture) { f.change(t, gen.WithTrigger("again")) }

func bound(t *testing.T, f *fixture) {
	f.bind(t)
}

var refusedWrites = map[string]refusedWrite{
	"the creation of the Secret": {
		refused: answering[*corev1.Secret](http.StatusForbidden, exceededQuota),
		reason:  signetv1alpha1.ReasonWriteRefused, message: `Secret "orders" cannot be written: the API server refuses it (` + exceededQuota + ")",
	},
	"a change of the Secret": {
		before: triggered, refused: answering[*corev1.Secret](http.StatusUnprocessableEntity, "invalid"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `Secret "orders" cannot be written: the API server refuses it (invalid)`,
	},
	"a change of the Secret, by a webhook with the code of a conflict": {
		before: triggered, refused: answering[*corev1.Secret](http.StatusConflict, "denied the request"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `Secret "orders" cannot be written: the API server refuses it (denied the request)`,
	},
	"a change of the Secret, by a webhook that fails": {
		before: triggered, refused: answering[*corev1.Secret](http.StatusInternalServerError, "no answer"),
		reason: signetv1alpha1.ReasonWriteFailed, message: `Secret "orders" cannot be written: the request fails (no answer)`,
	},
	"the creation of the ConfigMap": {
		keyType: signetv1alpha1.KeyTypePublicKey, refused: answering[*corev1.ConfigMap](http.StatusForbidden, "no"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `ConfigMap "orders-public" cannot be written: the API server refuses it (no)`,
	},
	"a change of the ConfigMap": {
		keyType: signetv1alpha1.KeyTypePublicKey, before: triggered, refused: answering[*corev1.ConfigMap](http.StatusForbidden, "no"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `ConfigMap "orders-public" cannot be written: the API server refuses it (no)`,
	},
	"the finalizer of the Secret": {
		before: bound, refused: answering[*corev1.Secret](http.StatusForbidden, "no"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `Secret "orders" cannot be written: the API server refuses it (no)`,
	},
	"the finalizer of the key": {
		before: bound, refused: answering[*signetv1alpha1.SignatureKey](http.StatusForbidden, "no"),
		reason: signetv1alpha1.ReasonWriteRefused, message: `SignatureKey "orders" cannot be written: the API server refuses it (no)`,
	},
}

// A write that is refused for half a minute is reported, once for each transition,
// until it succeeds. No condition gets a generation that was not acted upon.
func TestRefusedWritesAreReported(t *testing.T) {
	for name, c := range refusedWrites {
		t.Run(name, func(t *testing.T) {
			var refused refusal
			key := testKey(gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) { key.Status.ObservedGeneration = -1 }),
				gen.WithType(cmp.Or(c.keyType, signetv1alpha1.KeyTypeHMAC)))
			f := newFixture(t, refusing(t, &refused, key), newStore(t, interceptor.Funcs{}))
			f.PublicKeyEnabled = true
			if c.before != nil {
				f.after(t, 0)
				c.before(t, f)
			}
			refused = c.refused
			before, ready := f.generations(t), f.ready(t)

			f.expectFailure(t, 0)
			f.takeEvents() // such as Bound
			f.expectFailure(t, 29*time.Second)
			if got := f.ready(t); got != ready {
				t.Errorf("Ready after 29 s is %+v, was %+v", got, ready)
			}
			f.expectEvents(t)
			for _, step := range []struct {
				after  time.Duration
				status metav1.ConditionStatus
				events []string
			}{
				{time.Second, metav1.ConditionUnknown, []string{"Normal " + c.reason + " " + c.message}},
				{time.Minute, metav1.ConditionUnknown, nil},
				{4 * time.Minute, metav1.ConditionFalse, []string{"Warning " + c.reason + " " + c.message}},
				{time.Hour, metav1.ConditionFalse, nil},
			} {
				f.expectFailure(t, step.after)
				f.expectReport(t, c, step.status, before)
				f.expectEvents(t, step.events...)
			}

			refused = nil
			f.after(t, 0)
			if got := f.ready(t); got.Reason != signetv1alpha1.ReasonReady || f.condition(t, signetv1alpha1.ConditionStalled).Reason != "" {
				t.Errorf("Ready after the write is %+v", got)
			}
		})
	}
}

// expectReport checks what a key reports while a write is refused. The generations are
// those of the conditions before.
func (f *fixture) expectReport(t *testing.T, c refusedWrite, status metav1.ConditionStatus, generations map[string]int64) {
	t.Helper()
	key, ready := f.key(t), f.ready(t)
	if ready.Status != status || ready.Reason != c.reason || !strings.HasPrefix(ready.Message, c.message) || ready.ObservedGeneration != key.Generation {
		t.Errorf("Ready is %+v, want %s %s", ready, status, c.reason)
	}
	if stalled := f.condition(t, signetv1alpha1.ConditionStalled); (stalled.Status == metav1.ConditionTrue) != (status == metav1.ConditionFalse) {
		t.Errorf("Stalled is %+v while Ready is %s", stalled, status)
	}
	if key.Status.ObservedGeneration != key.Generation {
		t.Errorf("the status is about generation %d", key.Status.ObservedGeneration)
	}
	for _, conditionType := range []string{signetv1alpha1.ConditionRotating, signetv1alpha1.ConditionInUse} {
		if got := f.generations(t)[conditionType]; got != generations[conditionType] {
			t.Errorf("generation %d of %s counts as acted upon", got, conditionType)
		}
	}
}

// generations returns those of the conditions; none for a condition without one.
func (f *fixture) generations(t *testing.T) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	for _, condition := range f.key(t).Status.Conditions {
		found[condition.Type] = condition.ObservedGeneration
	}
	return found
}

// Conflicts resolve with a newer version: they are repeated soon. Only if nothing else
// follows for half a minute, they are reported as any other write that fails.
func TestConflictsAreRefusalsIfNothingElseFollows(t *testing.T) {
	var refused refusal
	f := newFixture(t, refusing(t, &refused, testKey()), newStore(t, interceptor.Funcs{}))
	f.after(t, 0)
	f.change(t, gen.WithTrigger("again"))
	ready := f.ready(t)
	f.takeEvents()
	refused = func(client.Object) error {
		return apierrors.NewConflict(corev1.Resource("secrets"), "orders", errors.New("the object has been modified"))
	}
	for range 3 {
		if result, err := f.reconcile(t); err != nil || result.RequeueAfter != kubeclient.StaleDelay {
			t.Errorf("reconcile = %v, %v, want another try", result, err)
		}
		f.clock.SetTime(f.clock.Now().Add(10 * time.Second))
	}
	if got := f.ready(t); got != ready {
		t.Errorf("Ready is %+v", got)
	}
	f.expectEvents(t)
	f.expectFailure(t, 10*time.Second)
	if got := f.ready(t); got.Reason != signetv1alpha1.ReasonWriteRefused || !strings.Contains(got.Message, "the object has been modified") {
		t.Errorf("Ready is %+v", got)
	}
	f.expectEvents(t, "Normal WriteRefused")
}

// A policy can quote the data of the Secret: status, events and the error, which is
// logged, say that instead.
func TestRefusalThatQuotesMaterialIsNotShown(t *testing.T) {
	for name, quote := range map[string]func([]byte) string{
		"raw":    func(secret []byte) string { return string(secret) },
		"base64": base64.StdEncoding.EncodeToString,
		"quoted": func(secret []byte) string { return fmt.Sprintf("%q", secret) },
	} {
		t.Run(name, func(t *testing.T) {
			var quoted []string
			refused := refusal(func(object client.Object) error {
				secret, isSecret := object.(*corev1.Secret)
				if !isSecret {
					return nil
				}
				quoted = append(quoted, quote(secret.Data["secret"]))
				return apierrors.NewForbidden(corev1.Resource("secrets"), "orders", errors.New("denied: "+quote(secret.Data["secret"])))
			})
			f := newFixture(t, refusing(t, &refused, testKey()), newStore(t, interceptor.Funcs{}))
			texts := []string{f.expectFailure(t, 0), f.expectFailure(t, time.Minute)}
			texts = append(append(texts, f.takeEvents()...), f.ready(t).Message)
			if len(texts) != 4 || f.ready(t).Reason != signetv1alpha1.ReasonWriteRefused {
				t.Errorf("reported %q", texts)
			}
			for _, text := range texts {
				for _, secret := range quoted {
					if strings.Contains(text, secret) {
						t.Errorf("material in %q", text)
					}
				}
				if !strings.Contains(text, "contains material") {
					t.Errorf("%q does not say why the answer is missing", text)
				}
			}
		})
	}
}

// A status that is refused cannot report that. An event does, once.
func TestRefusedStatusIsReportedByAnEvent(t *testing.T) {
	refused := true
	f := newFixture(t, newStore(t, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, store client.Client, resource string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if refused {
				return apierrors.NewForbidden(signetv1alpha1.GroupVersion.WithResource("signaturekeys").GroupResource(), "orders", errors.New("no"))
			}
			return store.SubResource(resource).Patch(ctx, object, patch, options...)
		},
	}, testKey()), newStore(t, interceptor.Funcs{}))
	f.expectFailure(t, 0)
	f.expectFailure(t, 29*time.Second)
	f.expectEvents(t)
	for _, after := range []time.Duration{time.Second, time.Minute, time.Hour} {
		f.expectFailure(t, after)
	}
	f.expectEvents(t, `Warning WriteRefused The status of SignatureKey "orders" cannot be written: the API server refuses it (`)
	refused = false
	if _, err := f.reconcile(t); err != nil {
		t.Fatal(err)
	}
	f.expectEvents(t, "Normal Ready ")
	if got := f.ready(t); got.Reason != signetv1alpha1.ReasonReady {
		t.Errorf("Ready is %+v", got)
	}
}
