// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/layers"
	"github.com/signet-dev/signet/internal/testing/proc"
)

func startCluster(t *testing.T) *env.Cluster {
	t.Helper()
	cluster, err := env.Start(t.Context(), env.Options{Install: []string{"crd"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Stop)
	return cluster
}

func TestAPIServer(t *testing.T) {
	server := startCluster(t).Admin
	for _, c := range layers.Cases(t) {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			old, object := c.Objects(t)
			found := causes(t, validateOnServer(t.Context(), t, server, old, object))
			c.Compare(t, found)
			sameAsSchema(t, old, object, found)
		})
	}
}

// validateOnServer lets the API server check an object without keeping it.
func validateOnServer(ctx context.Context, t *testing.T, server client.Client, old, object *unstructured.Unstructured) error {
	t.Helper()
	if old == nil {
		return server.Create(ctx, object.DeepCopy(), client.DryRunAll)
	}
	old, object = old.DeepCopy(), object.DeepCopy()
	if err := server.Create(ctx, old); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Delete(context.WithoutCancel(ctx), old); err != nil {
			t.Error(err)
		}
	}()
	object.SetResourceVersion(old.GetResourceVersion())
	object.SetUID(old.GetUID())
	return server.Update(ctx, object, client.DryRunAll)
}

func causes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonInvalid {
		t.Fatalf("answered %v, want Invalid", err)
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Field != "<nil>" {
			found = append(found, cause.Field+": "+cause.Message)
		}
	}
	slices.Sort(found)
	return found
}

// TestLayersAgree compares the results of both layers on generated objects: new ones,
// changed ones, and ones that were stored when the rules were laxer. It is not
// a fuzz target of the go command, because the API server's coverage cannot guide it.
func TestLayersAgree(t *testing.T) {
	cluster := startCluster(t)
	c, begin := cluster.Admin, layers.Seed(t)

	t.Run("create", func(t *testing.T) {
		layers.Run(t, layers.CreateRuns, begin, func(t *testing.T, seed uint64) bool { return agreeOnCreate(t, c, seed) })
	})
	t.Run("update", func(t *testing.T) {
		layers.Run(t, layers.UpdateRuns, begin, func(t *testing.T, seed uint64) bool { return agreeOnUpdate(t, c, seed) })
	})
	t.Run("ratchet", func(t *testing.T) { agreeOnRatchet(t, cluster, begin) })
}

func agreeOnCreate(t *testing.T, c client.Client, seed uint64) bool {
	t.Helper()
	m := layers.NewMaker(seed)
	object, paths := m.Change(t, m.Base(), m.IntN(4))
	return agree(t, c, nil, object, paths)
}

func agreeOnUpdate(t *testing.T, c client.Client, seed uint64) bool {
	t.Helper()
	m := layers.NewMaker(seed)
	old, _ := m.Change(t, m.Base(), m.IntN(3))
	old.SetName("update-" + strconv.FormatUint(seed, 36))
	if err := c.Create(t.Context(), old); apierrors.IsInvalid(err) {
		return false
	} else if err != nil {
		t.Fatal(err)
	}
	object, paths := m.Change(t, old, 1+m.IntN(2))
	object.SetName(old.GetName())
	return agree(t, c, old, object, paths)
}

// agreeOnRatchet stores objects under CRDs without rules, and changes them
// under those with rules.
func agreeOnRatchet(t *testing.T, cluster *env.Cluster, begin uint64) {
	t.Helper()
	c := cluster.Admin
	crds, err := cluster.Render(t.Context(), filepath.Join(cluster.Root, "config", "crd"))
	if err != nil {
		t.Fatal(err)
	}
	var lax []*unstructured.Unstructured
	for _, crd := range crds {
		crd := crd.DeepCopy()
		layers.WithoutRules(crd.Object)
		lax = append(lax, crd)
	}
	install(t, cluster, lax, false)
	stored := map[uint64]*unstructured.Unstructured{}
	for i := range uint64(layers.Times(layers.RatchetRuns)) { //nolint:gosec // not negative
		m := layers.NewMaker(begin + i)
		old, _ := m.Change(t, m.Base(), m.IntN(4))
		old.SetName("ratchet-" + strconv.FormatUint(i, 36))
		// Lists of map type and sets keep their kind without rules, too.
		if err := c.Create(t.Context(), old); err == nil {
			stored[begin+i] = old
		} else if !apierrors.IsInvalid(err) {
			t.Fatal(err)
		}
	}
	install(t, cluster, crds, true)
	layers.Run(t, layers.RatchetRuns, begin, func(t *testing.T, seed uint64) bool {
		old, there := stored[seed]
		if !there {
			return false
		}
		m := layers.NewMaker(^seed)
		object, paths := m.Change(t, old, m.IntN(3))
		object.SetName(old.GetName())
		// A change of its own for each object: an update that changes nothing
		// is not validated.
		object.SetAnnotations(map[string]string{"example.com/touched": "true"})
		return agree(t, c, old, object, paths)
	})
}

// install applies the CRDs and waits until the API server enforces their rules, or
// no longer does: it follows some time after the write.
func install(t *testing.T, cluster *env.Cluster, crds []*unstructured.Unstructured, strict bool) {
	t.Helper()
	if err := cluster.Apply(t.Context(), crds, controlplane.InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"SignatureKey", "SignatureBinding"} {
		wrong := layers.Case{Kind: kind}.Base()
		field := map[string][]string{"SignatureKey": {"spec", "displayName"}, "SignatureBinding": {"spec", "environment"}}[kind]
		if err := unstructured.SetNestedField(wrong.Object, "-", field...); err != nil {
			t.Fatal(err)
		}
		// Several in a row, because not all handlers of a kind change at once.
		NewWithT(t).Eventually(func(g Gomega) {
			for range 5 {
				refused := apierrors.IsInvalid(cluster.Admin.Create(t.Context(), wrong.DeepCopy(), client.DryRunAll))
				g.Expect(refused).To(Equal(strict), "the rules of "+kind)
			}
		}, proc.Soon, proc.Poll).Should(Succeed())
	}
}

// agree compares what the API server finds with the schema in process and with the Go
// rules. It returns whether the object is valid.
func agree(t *testing.T, c client.Client, old, object *unstructured.Unstructured, changed []string) bool {
	t.Helper()
	var answer error
	if old == nil {
		answer = c.Create(t.Context(), object.DeepCopy(), client.DryRunAll)
	} else {
		answer = c.Update(t.Context(), object.DeepCopy(), client.DryRunAll)
	}
	found := causes(t, answer)
	sameAsSchema(t, old, object, found)
	return layers.AgreeWithGo(t, found, old, object, changed)
}

// sameAsSchema compares the API server's answer with that of the schema in
// process: word for word, except on an older Kubernetes. That has other words for the
// same refusals.
func sameAsSchema(t *testing.T, old, object *unstructured.Unstructured, answered []string) {
	t.Helper()
	found := layers.InSchema(t, layers.Shipped, old, object)
	if os.Getenv(controlplane.KubernetesVariable) != "" {
		found, answered = fields(found), fields(answered)
	}
	if !slices.Equal(found, answered) {
		t.Errorf("in process: %.1000q\n  API server: %.1000q\n  old: %.1000s\n  object: %.1000s", found, answered, layers.SpecOf(t, old), layers.SpecOf(t, object))
	}
}

// fields are those that the causes are about.
func fields(causes []string) []string {
	var names []string
	for _, cause := range causes {
		name, _, _ := strings.Cut(cause, ": ")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
