// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// agreed is what each judge says of an object whose Ready has a status. Without
// any, or about an older spec, it is none of True, False and Unknown to kubectl,
// and to the others as if it were Unknown.
var agreed = map[string]struct {
	argoCD string
	flux   status.Status
}{
	"True":    {"Healthy", status.CurrentStatus},
	"Unknown": {"Progressing", status.InProgressStatus},
	"":        {"Progressing", status.InProgressStatus},
	"False":   {"Degraded", status.FailedStatus},
}

// stage is a namespace of a fixture.
type stage struct {
	*fixture
	namespace string
}

func (s stage) in(t *testing.T, args ...string) string {
	t.Helper()
	return s.kubectl(t, append([]string{"-n", s.namespace}, args...)...)
}

// read reads an object as the API server serves it.
func (s stage) read(t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	must(t, object.UnmarshalJSON([]byte(s.in(t, "get", kind, name, "-o", "json"))))
	return object
}

// judge asks all judges about the object named orders, which is to be as it
// stands.
func (s stage) judge(t *testing.T, kind, ready string) {
	t.Helper()
	const name = "orders"
	object := s.read(t, kind, name)
	want := agreed[ready]
	if said := s.askArgoCD(t, object); said != want.argoCD {
		t.Errorf("Argo CD says %s of %s %s, want %s", said, kind, name, want.argoCD)
	}
	script := healthCase{Script: filepath.Join(customizations, kind, "health.lua"), Object: object}
	if said := runHealthScript(t, script); said.Status != want.argoCD {
		t.Errorf("the script says %s (%s) of %s %s, want %s", said.Status, said.Message, kind, name, want.argoCD)
	}
	if result, err := status.Compute(object); err != nil || result.Status != want.flux {
		t.Errorf("kstatus says %+v (%v) of %s %s, want %s", result, err, kind, name, want.flux)
	}
	for _, value := range []string{"True", "False", "Unknown"} {
		s.askKubectl(t, kind, name, "Ready="+value, value == ready)
	}
	s.askKubectl(t, kind, name, "Stalled", ready == "False")
}

// askArgoCD has Argo CD itself assess the object, with the ConfigMap that users
// install.
func (w *fixture) askArgoCD(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	dir := t.TempDir()
	resource, settings := filepath.Join(dir, "resource.json"), filepath.Join(dir, "argocd-cm.yaml")
	text, err := json.Marshal(object)
	must(t, err)
	must(t, os.WriteFile(resource, text, 0o600))
	must(t, os.WriteFile(settings, []byte(w.kubectl(t, "kustomize", filepath.Join(w.Root, "config", "argocd"))), 0o600))
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.argoCD, "argocd"), "admin", "settings", "resource-overrides", "health", resource, "--argocd-cm-path", settings)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, output, problems.String())
	}
	said, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimPrefix(said, "STATUS: ")
}

// askKubectl asks kubectl once whether the condition is there, without waiting.
func (s stage) askKubectl(t *testing.T, kind, name, condition string, want bool) {
	t.Helper()
	err := s.try(t.Context(), "", "wait", "-n", s.namespace, "--for=condition="+condition, "--timeout=0", kind+"/"+name)
	if err != nil && !strings.Contains(err.Error(), "condition not met for "+strings.ToLower(kind)) {
		t.Fatal(err)
	}
	if met := err == nil; met != want {
		t.Errorf("kubectl wait is satisfied by %s %s with %s: %t, want %t", kind, name, condition, met, want)
	}
}

// expectTerminating expects that Flux takes the object for one that goes.
func expectTerminating(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if result, err := status.Compute(object); err != nil || result.Status != status.TerminatingStatus {
		t.Errorf("kstatus says %+v (%v), want %s", result, err, status.TerminatingStatus)
	}
}

// wait runs kubectl wait in the background. What it returns waits for its end.
func (s stage) wait(t *testing.T, kind, name string) (end func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		done <- s.try(t.Context(), "", "wait", "-n", s.namespace, "--for=condition=Ready", fmt.Sprintf("--timeout=%s", proc.Long), kind+"/"+name)
	}()
	return func() {
		t.Helper()
		must(t, <-done)
	}
}

// expectReady waits for a Ready of the present spec, and returns the object.
func (s stage) expectReady(t *testing.T, kind, name, ready, reason string) *unstructured.Unstructured {
	t.Helper()
	var object *unstructured.Unstructured
	proc.EventuallyLong(t, fmt.Sprintf("%s %s to be %s %s", kind, name, ready, reason), func() error {
		object = s.read(t, kind, name)
		for _, condition := range conditionsOf(t, object) {
			if condition.Type == "Ready" && condition.ObservedGeneration == object.GetGeneration() &&
				condition.Status == ready && condition.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %+v", conditionsOf(t, object))
	})
	return object
}

type condition struct {
	Type, Status, Reason, Message string
	ObservedGeneration            int64
}

func conditionsOf(t *testing.T, object *unstructured.Unstructured) []condition {
	t.Helper()
	var read struct {
		Status struct{ Conditions []condition }
	}
	text, err := json.Marshal(object)
	must(t, err)
	must(t, json.Unmarshal(text, &read))
	return read.Status.Conditions
}

// age has an object wait for longer than five minutes. The manager's clock
// cannot be turned, but the time in the status from which it counts can be.
func (s stage) age(t *testing.T, kind, name string) {
	t.Helper()
	for i, condition := range conditionsOf(t, s.read(t, kind, name)) {
		if condition.Type == "Ready" {
			s.in(t, "patch", kind, name, "--subresource=status", "--type=json", "-p", fmt.Sprintf(
				`[{"op":"replace","path":"/status/conditions/%d/lastTransitionTime","value":%q}]`, i, sixMinutesAgo()))
		}
	}
	s.in(t, "annotate", kind, name, "example.com/aged=yes")
}
