// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// application is one of Argo CD's, with a namespace of the same name and a
// repository of its own.
type application struct {
	*fixture
	name, repo string
}

// applicationState is what the tests read of an Application.
type applicationState struct {
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

// newApplication makes an Application with sync options that follows the files.
func (w *fixture) newApplication(t *testing.T, name, options string, files map[string]string) *application {
	t.Helper()
	a := &application{fixture: w, name: name, repo: filepath.Join(w.dir, "repositories", name)}
	must(t, os.MkdirAll(a.repo, 0o700))
	a.run(t, a.repo, "git", "init", "-q", "-b", "main")
	w.kubectl(t, "create", "namespace", name)
	a.commit(t, files)
	w.apply(t, "argocd", strings.NewReplacer("NAME", name, "REPOSITORY", a.repo, "OPTIONS", options).Replace(applicationManifest))
	return a
}

// commit writes files, or removes those without content, in one commit.
func (a *application) commit(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(a.repo, name+".yaml")
		if content == "" {
			must(t, os.Remove(path))
			continue
		}
		must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	a.run(t, a.repo, "git", "add", "-A")
	a.run(t, a.repo, "git", "-c", "user.name=shop", "-c", "user.email=shop@example.com", "commit", "-qm", "Change the shop")
}

// follow commits, and has Argo CD look.
func (a *application) follow(t *testing.T, files map[string]string) {
	t.Helper()
	a.commit(t, files)
	a.refresh(t, "normal")
}

// refresh has Argo CD compare, and returns when it has.
func (a *application) refresh(t *testing.T, how string) {
	t.Helper()
	const annotation = "argocd.argoproj.io/refresh"
	a.kubectl(t, "annotate", "--overwrite", "-n", "argocd", "application", a.name, annotation+"="+how)
	proc.EventuallyLong(t, "Argo CD to refresh", func() error {
		if a.state(t).Metadata.Annotations[annotation] != "" {
			return fmt.Errorf("not refreshed")
		}
		return nil
	})
}

func (a *application) state(t *testing.T) applicationState {
	t.Helper()
	var state applicationState
	must(t, json.Unmarshal([]byte(a.kubectl(t, "get", "-n", "argocd", "application", a.name, "-o", "json")), &state))
	return state
}

// head is the commit that Argo CD is to follow.
func (a *application) head(t *testing.T) string {
	t.Helper()
	return a.run(t, a.repo, "git", "rev-parse", "HEAD")
}

// expectSettled waits until what was committed last is synced and healthy. A
// sync that has failed is not waited for: there is no second attempt.
func (a *application) expectSettled(t *testing.T) {
	t.Helper()
	revision, begin := a.head(t), time.Now()
	proc.EventuallyLong(t, "the application to be synced and healthy", func() error {
		s := a.state(t).Status
		operation := s.Operation
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

// expectFailed waits until the sync of what was committed last has failed, with
// the message of a resource.
func (a *application) expectFailed(t *testing.T, kind, name, message string) {
	t.Helper()
	revision := a.head(t)
	proc.EventuallyLong(t, "the sync to fail", func() error {
		operation := a.state(t).Status.Operation
		if operation.SyncResult.Revision != revision || operation.Phase != "Failed" {
			return fmt.Errorf("it is %s (%s)", operation.Phase, operation.Message)
		}
		for _, r := range operation.SyncResult.Resources {
			if r["kind"] == kind && r["name"] == name && strings.Contains(fmt.Sprint(r["message"]), message) {
				return nil
			}
		}
		t.Fatalf("it has failed without %q of %s %s: %v", message, kind, name, operation.SyncResult.Resources)
		return nil
	})
}

// drift has Argo CD compare three times, and returns an error about a difference
// from Git, or about a write in the meantime. The application has to be settled.
func (a *application) drift(t *testing.T) error {
	t.Helper()
	before := a.versions(t)
	for range 3 {
		a.refresh(t, "hard")
		for _, r := range a.state(t).Status.Resources {
			if r.Status != "Synced" {
				return fmt.Errorf("%s %s is %s", r.Kind, r.Name, r.Status)
			}
		}
	}
	if after := a.versions(t); after != before {
		return fmt.Errorf("objects were written:\n%s\nwere\n%s", after, before)
	}
	return nil
}

// versions are the resourceVersions of everything that could drift.
func (a *application) versions(t *testing.T) string {
	t.Helper()
	return a.list(t, "signaturekeys,signaturebindings,secrets", "{.metadata.resourceVersion}")
}

// secrets are the UIDs of managed Secrets: one that was deleted and written
// again has another.
func (a *application) secrets(t *testing.T) map[string]string {
	t.Helper()
	uids := map[string]string{}
	for line := range strings.Lines(a.list(t, "secrets", "{.metadata.uid}", "--selector=signet.dev/signature-material=managed")) {
		if fields := strings.Fields(line); len(fields) == 3 {
			uids[fields[1]] = fields[2]
		}
	}
	return uids
}

func (a *application) list(t *testing.T, kinds, field string, more ...string) string {
	t.Helper()
	return a.kubectl(t, append([]string{"get", "-n", a.name, kinds, "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.name} ` + field + `{"\n"}{end}`}, more...)...)
}

func (a *application) expectGone(t *testing.T, kind, name string) {
	t.Helper()
	proc.EventuallyLong(t, kind+" "+name+" to be gone", func() error {
		if found := a.kubectl(t, "get", "-n", a.name, kind, name, "--ignore-not-found", "-o", "name"); found != "" {
			return fmt.Errorf("it is still there")
		}
		return nil
	})
}
