// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	tenantPrefix = "tenant-"
	keyCount     = 4
	bindingCount = 5
	apiCount     = 6
	rivalCount   = 2
	// rivalryEvery is the number of tenants of which one contends.
	rivalryEvery = 3
	// mostAPIs is how many APIs a binding has at most.
	mostAPIs = 4
)

var environments = []string{"RELEASE", "staging"}

func isTenant(namespace string) bool { return strings.HasPrefix(namespace, tenantPrefix) }

// tenant is the workload in one namespace. It talks to the API server itself, as a
// user who may do everything, and ignores what fails: the next operation sees the
// state as it is.
type tenant struct {
	client    client.Client
	dice      *dice
	journal   *journal
	namespace string
	// hints are bindings that a grant is on its way to: the time for a rival.
	hints      chan string
	operations []choice[operation]
	// apiNames is the number of names of APIs.
	apiNames int
	// step makes triggers, marks and material unique.
	step *atomic.Int64
}

// operation changes something in a namespace.
type operation struct {
	name string
	run  func(*tenant, context.Context) error
}

// rivalries are the operations of tenants who mostly contend for a few APIs.
var rivalries = []choice[operation]{
	{10, operation{"create key", (*tenant).createKey}},
	{20, operation{"create binding", (*tenant).createBinding}},
	{5, operation{"delete binding", (*tenant).deleteBinding}},
	{5, operation{"change APIs", (*tenant).changeAPIs}},
	{5, operation{"move binding", (*tenant).moveBinding}},
	{40, operation{"drop APIs for a moment", (*tenant).dropForMoment}},
}

var operations = []choice[operation]{
	{14, operation{"create key", (*tenant).createKey}},
	{4, operation{"delete key", (*tenant).deleteKey}},
	{14, operation{"create binding", (*tenant).createBinding}},
	{6, operation{"delete binding", (*tenant).deleteBinding}},
	{20, operation{"rebind", (*tenant).rebind}},
	{10, operation{"move binding", (*tenant).moveBinding}},
	{8, operation{"change APIs", (*tenant).changeAPIs}},
	{20, operation{"drop APIs for a moment", (*tenant).dropForMoment}},
	{2, operation{"change environment", (*tenant).changeEnvironment}},
	{8, operation{"trigger", (*tenant).trigger}},
	{2, operation{"revoke", (*tenant).revoke}},
	{3, operation{"change source", (*tenant).changeSource}},
	{2, operation{"change policy", (*tenant).changePolicy}},
	{2, operation{"delete Secret", (*tenant).deleteSecret}},
	{2, operation{"strip label", (*tenant).stripLabel}},
	{2, operation{"strip Secret", (*tenant).stripSecret}},
	{1, operation{"strip key", (*tenant).stripKey}},
	{2, operation{"delete ConfigMap", (*tenant).deletePublic}},
}

// work runs operations until the context ends.
func (t *tenant) work(ctx context.Context) {
	for {
		timer := time.NewTimer(t.dice.between(50*time.Millisecond, 500*time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case binding := <-t.hints:
			timer.Stop()
			t.do(ctx, "contend for "+binding, func(ctx context.Context) error { return t.contend(ctx, binding) })
		case <-timer.C:
			t.doAny(ctx)
		}
	}
}

// doAny runs one operation.
func (t *tenant) doAny(ctx context.Context) {
	chosen := choose(t.dice, t.operations)
	deletes := t.dice.below(400) == 0 && !t.isRivalry()
	switch {
	case !t.ensureNamespace(ctx):
	case deletes:
		t.do(ctx, "delete namespace", t.deleteNamespace)
	default:
		t.do(ctx, chosen.name, func(ctx context.Context) error { return chosen.run(t, ctx) })
	}
}

func (t *tenant) do(ctx context.Context, name string, run func(context.Context) error) {
	limited, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	if err := run(limited); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) {
		t.journal.note(t.namespace, "user: %s: %v", name, err)
	}
}

// ensureNamespace reports whether the namespace can be used. One that is gone is
// created again.
func (t *tenant) ensureNamespace(ctx context.Context) bool {
	namespace := &corev1.Namespace{}
	err := t.client.Get(ctx, client.ObjectKey{Name: t.namespace}, namespace)
	if apierrors.IsNotFound(err) {
		err = t.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}})
		return err == nil
	}
	return err == nil && namespace.DeletionTimestamp.IsZero()
}

func (t *tenant) deleteNamespace(ctx context.Context) error {
	t.journal.note(t.namespace, "user: deletes the namespace")
	return t.client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.namespace}})
}

// key, binding and api choose names.
func (t *tenant) key() string     { return fmt.Sprintf("k%d", t.dice.below(keyCount)) }
func (t *tenant) binding() string { return fmt.Sprintf("b%d", t.dice.below(bindingCount)) }

func (t *tenant) apis() []string {
	var names []string
	first := t.dice.below(t.apiNames)
	for i := range 1 + t.dice.below(min(mostAPIs, t.apiNames)) {
		names = append(names, fmt.Sprintf("a%d", (first+i)%t.apiNames))
	}
	return names
}

func (t *tenant) isRivalry() bool { return t.apiNames == rivalCount }

func (t *tenant) environment() string { return environments[t.dice.below(5)/4] }

// unique returns a text that no one has used.
func (t *tenant) unique(prefix string) string { return fmt.Sprintf("%s%d", prefix, t.step.Add(1)) }

func (t *tenant) named(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: t.namespace, Name: name}
}
