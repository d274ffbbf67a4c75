package argocd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// app is what the test reads of an Application.
type app struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Health    health     `json:"health"`
		Resources []resource `json:"resources"`
		Sync      struct{ Status, Revision string }
		Condition []map[string]any `json:"conditions"`
		Operation struct {
			Phase, Message string
			SyncResult     struct {
				Revision  string
				Resources []map[string]any
			}
		} `json:"operationState"`
	} `json:"status"`
}

type resource struct {
	Kind, Name, Status string
	Health             health
}

// TestSync tells one story: each part begins where the one before has ended.
func TestSync(t *testing.T) {
	w := newWorld(t)
	w.kubectl(t, "create", "namespace", "shop")
	w.apply(t, gateway)
	w.commit(t, map[string]string{
		"source": source, "route": route,
		"key-orders": key("orders", ""), "key-payments": key("payments", ", secretRef: {name: payments-own}"),
		"key-ledger":       key("ledger", ", deletionPolicy: Retain"),
		"binding-orders":   binding("orders", "orders", "HTTPRoute/orders"),
		"binding-payments": binding("payments", "payments", "API/payments", "API/refunds"),
		"binding-ledger":   binding("ledger", "ledger", "API/ledger"),
	})
	w.apply(t, strings.ReplaceAll(application, "REPOSITORY", w.repo))
	for _, part := range []struct {
		name string
		tell func(*testing.T, *world)
	}{
		{"waits for the route, then all is healthy", becomesHealthy},
		{"does not drift", doesNotDrift},
		{"shows what is wrong", showsWhatIsWrong},
		{"moves an API in one commit", movesAPI},
		{"renames a binding in one commit", renamesBinding},
		{"prunes key and binding in one commit", prunes},
		{"gives retained material back", keepsRetained},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.tell(t, w) }) {
			return
		}
	}
}

func becomesHealthy(t *testing.T, w *world) {
	w.expectHealth(t, "SignatureBinding", "orders", "Progressing", "never been published")
	w.kubectl(t, "patch", "-n", "shop", "httproute", "orders", "--subresource=status", "--type=merge", "-p", accepted)
	w.expectSettled(t)
	w.expectChild(t, "orders")
	w.expectChild(t, "payments")
}

func doesNotDrift(t *testing.T, w *world) {
	before := w.versions(t)
	for range 3 {
		w.refresh(t, "hard")
		w.expectSettled(t)
	}
	if after := w.versions(t); after != before {
		t.Errorf("refreshing has changed objects:\n%s\nwere\n%s", after, before)
	}
}

func showsWhatIsWrong(t *testing.T, w *world) {
	w.commit(t, map[string]string{
		"binding-takeover": binding("takeover", "orders", "API/payments"),
		"key-copy":         key("copy", ", secretRef: {name: orders}"),
		"key-pending":      key("pending", ", secretRef: {name: missing}"),
	})
	w.refresh(t, "normal")
	w.expectHealth(t, "SignatureBinding", "takeover", "Degraded", "API payments by SignatureBinding payments")
	w.expectHealth(t, "SignatureKey", "copy", "Degraded", "Secret of your own")
	w.expectHealth(t, "SignatureKey", "pending", "Progressing", "Create Secret missing")
	w.commit(t, map[string]string{"binding-takeover": "", "key-copy": "", "key-pending": ""})
	w.refresh(t, "normal")
	w.expectSettled(t)
}

func movesAPI(t *testing.T, w *world) {
	w.commit(t, map[string]string{
		"binding-payments": binding("payments", "payments", "API/payments"),
		"binding-ledger":   binding("ledger", "ledger", "API/ledger", "API/refunds"),
	})
	w.refresh(t, "normal")
	w.expectSettled(t)
}

func renamesBinding(t *testing.T, w *world) {
	w.commit(t, map[string]string{
		"binding-ledger":  "",
		"binding-ledger2": binding("ledger-renamed", "ledger", "API/ledger", "API/refunds"),
	})
	w.refresh(t, "normal")
	w.expectSettled(t)
}

func prunes(t *testing.T, w *world) {
	w.commit(t, map[string]string{"key-orders": "", "binding-orders": ""})
	w.refresh(t, "normal")
	w.expectSettled(t)
	w.expectGone(t, "signaturekey", "orders")
	w.expectGone(t, "signaturebinding", "orders")
	w.expectGone(t, "secret", "orders")
}

func keepsRetained(t *testing.T, w *world) {
	before := w.kubectl(t, "get", "-n", "shop", "secret", "ledger", "-o", "jsonpath={.data.key}/{.data.secret}")
	w.commit(t, map[string]string{"key-ledger": "", "binding-ledger2": ""})
	w.refresh(t, "normal")
	w.expectSettled(t)
	w.expectGone(t, "signaturekey", "ledger")
	w.commit(t, map[string]string{
		"key-ledger":     key("ledger", ", deletionPolicy: Retain"),
		"binding-ledger": binding("ledger", "ledger", "API/ledger"),
	})
	w.refresh(t, "normal")
	w.expectSettled(t)
	if after := w.kubectl(t, "get", "-n", "shop", "secret", "ledger", "-o", "jsonpath={.data.key}/{.data.secret}"); after != before {
		t.Error("the material is another one")
	}
}

// commit writes files, or removes those without content, in one commit.
func (w *world) commit(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(w.repo, name+".yaml")
		if content == "" {
			must(t, os.Remove(path))
			continue
		}
		must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	w.run(t, w.repo, "git", "add", "-A")
	w.run(t, w.repo, "git", "-c", "user.name=shop", "-c", "user.email=shop@example.com", "commit", "-qm", "Change the shop")
}

// refresh has Argo CD compare, and returns when it has.
func (w *world) refresh(t *testing.T, how string) {
	t.Helper()
	const annotation = "argocd.argoproj.io/refresh"
	w.kubectl(t, "annotate", "--overwrite", "-n", "argocd", "application", "shop", annotation+"="+how)
	eventually(t, "Argo CD to refresh", func() error {
		if w.app(t).Metadata.Annotations[annotation] != "" {
			return fmt.Errorf("not refreshed")
		}
		return nil
	})
}

func (w *world) app(t *testing.T) app {
	t.Helper()
	var a app
	must(t, json.Unmarshal([]byte(w.kubectl(t, "get", "-n", "argocd", "application", "shop", "-o", "json")), &a))
	return a
}

// expectSettled waits until what was committed last is synced and healthy. A
// sync that has failed is not waited for: there is no second attempt.
func (w *world) expectSettled(t *testing.T) {
	t.Helper()
	revision := w.run(t, w.repo, "git", "rev-parse", "HEAD")
	begin := time.Now()
	eventually(t, "the application to be synced and healthy", func() error {
		a := w.app(t)
		s, operation := a.Status, a.Status.Operation
		if operation.SyncResult.Revision == revision && (operation.Phase == "Failed" || operation.Phase == "Error") {
			t.Fatalf("the first sync has failed: %s: %v", operation.Message, operation.SyncResult.Resources)
		}
		if s.Sync.Revision != revision || s.Sync.Status != "Synced" || s.Health.Status != "Healthy" || operation.Phase != "Succeeded" {
			return fmt.Errorf("%s %s, sync %s (%s): %+v %v", s.Sync.Status, s.Health.Status, operation.Phase, operation.Message, s.Resources, s.Condition)
		}
		for _, r := range s.Resources {
			if r.Status != "Synced" || strings.HasPrefix(r.Kind, "Signature") && r.Health.Status != "Healthy" {
				return fmt.Errorf("%s %s is %s and %s", r.Kind, r.Name, r.Status, r.Health.Status)
			}
		}
		return nil
	})
	t.Logf("settled after %s", time.Since(begin).Round(100*time.Millisecond))
}

func (w *world) expectGone(t *testing.T, kind, name string) {
	t.Helper()
	eventually(t, kind+" "+name+" to be gone", func() error {
		if found := w.kubectl(t, "get", "-n", "shop", kind, name, "--ignore-not-found", "-o", "name"); found != "" {
			return fmt.Errorf("it is still there")
		}
		return nil
	})
}

// versions are the resourceVersions of everything that could drift.
func (w *world) versions(t *testing.T) string {
	t.Helper()
	return w.kubectl(t, "get", "-n", "shop", "signaturekeys,signaturebindings,secrets", "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
}
