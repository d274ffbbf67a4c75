// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
	"github.com/signet-dev/signet/internal/testing/slotwatch"
)

// long is for how many seconds rotations are under way that are not to end.
const long = 3600

var (
	contested = slots.Slot{Namespace: Recorded, Environment: "RELEASE", Kind: signetv1alpha1.APIKindHTTPRoute, Name: "orders"}
	// moving is the API of a binding that waits for a key of another name than
	// the one that signs.
	moving = slots.Slot{Namespace: Recorded, Environment: "RELEASE", Kind: signetv1alpha1.APIKindAPI, Name: "moving"}
)

// TestBackupRestoreAndRemoval goes from one cluster to another by the documented
// commands, and removes Signet from both: from the first one after its objects,
// from the second one before them.
func TestBackupRestoreAndRemoval(t *testing.T) {
	t.Parallel()
	saved := t.TempDir()
	step := func(name string, run func(t *testing.T)) {
		if !t.Failed() {
			t.Run(name, run)
		}
	}
	first := mustStart(t)
	manager := playOn(t, first)
	before := look(t, first)
	step("backup", func(t *testing.T) {
		output, err := shell(t, first, first.Kubeconfig, saved, documented(t, "Backup and restore", "stripped="))
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), output)
	})
	step("a namespace is deleted and restored without statuses", func(t *testing.T) {
		kubectl(t, first, "delete", "namespace", Recorded)
		restoreWithoutStatuses(t, first, saved, before)
	})
	step("removal after the objects", func(t *testing.T) { removeLast(t, first, manager) })
	first.Stop()

	second := mustStart(t)
	step("another cluster is restored with statuses", func(t *testing.T) {
		manager = installByFile(t, second)
		restoreByTheBook(t, second, saved, before)
	})
	step("removal before the objects", func(t *testing.T) { removeFirst(t, second, manager) })
}

func kubectl(t *testing.T, c *Cluster, args ...string) string {
	t.Helper()
	output, err := c.Run(t.Context(), args...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return output
}

func look(t *testing.T, c *Cluster) *State {
	t.Helper()
	state, err := c.Look(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return state
}

// playOn installs Signet by its kustomization and makes the objects.
func playOn(t *testing.T, c *Cluster) *Manager {
	t.Helper()
	g := NewWithT(t)
	g.Expect(c.Apply(t.Context(), "-k", filepath.Join(root, "config", "default"))).To(Succeed())
	manager := startToday(t, c)
	g.Expect(c.CreateFixtures(t.Context(), long)).To(Succeed())
	return manager
}

// startToday starts today's manager, and waits until the garbage collector
// knows the new kinds: it deletes nothing of an owner whose kind it learns of
// when that is gone already.
func startToday(t *testing.T, c *Cluster) *Manager {
	t.Helper()
	g := NewWithT(t)
	manager, err := c.StartManager(t.Context(), today)
	g.Expect(err).NotTo(HaveOccurred())
	probe := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "signet.dev/v1alpha1", "kind": key, "spec": map[string]any{"type": "HMAC"},
		"metadata": map[string]any{"name": "probe", "namespace": metav1.NamespaceDefault},
	}}
	g.Expect(c.WaitForGarbageCollector(t.Context(), probe)).To(Succeed())
	return manager
}

// restorer is the kubeconfig of who restores: an administrator whom the policy
// on managed Secrets does not know yet.
func restorer(t *testing.T, c *Cluster) string {
	t.Helper()
	g := NewWithT(t)
	kubectl(t, c, "create", "namespace", "restore-tool")
	kubectl(t, c, "-n", "restore-tool", "create", "serviceaccount", "restorer")
	g.Expect(c.Admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "restorer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "restore-tool", Name: "restorer"}},
	})).To(Succeed())
	config, err := c.ServiceAccountConfig(t.Context(), "restore-tool", "restorer")
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(c.Dir, "restorer.kubeconfig")
	g.Expect(c.WriteKubeconfig(config, path)).To(Succeed())
	return path
}

// others creates what is not Signet's to back up: the namespace, the Gateway and
// the routes.
func others(t *testing.T, c *Cluster) {
	t.Helper()
	g := NewWithT(t)
	all, err := controlplane.Decode(bytes.NewReader(objects))
	g.Expect(err).NotTo(HaveOccurred())
	for _, object := range all {
		if object.GetKind() == "Namespace" || object.GroupVersionKind().Group == gwapiv1.GroupName {
			g.Expect(c.Admin.Create(t.Context(), object)).To(Succeed())
		}
	}
	g.Expect(c.publish(t.Context(), metav1.ConditionTrue, &gwapiv1.HTTPRoute{}, "orders")).To(Succeed())
	g.Expect(c.publish(t.Context(), metav1.ConditionTrue, &gwapiv1.GRPCRoute{}, "prices")).To(Succeed())
}

// without is a folder with the backup, but for one Secret, which is in a file of
// its own.
func without(t *testing.T, saved, name string) string {
	t.Helper()
	g, dir := NewWithT(t), t.TempDir()
	g.Expect(os.CopyFS(dir, os.DirFS(saved))).To(Succeed())
	content, err := os.ReadFile(filepath.Join(saved, "secrets.json"))
	g.Expect(err).NotTo(HaveOccurred())
	files := map[string][]byte{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			break
		} else {
			g.Expect(err).NotTo(HaveOccurred())
		}
		text, err := object.MarshalJSON()
		g.Expect(err).NotTo(HaveOccurred())
		file := "secrets.json"
		if object.GetName() == name {
			file = "late.json"
		}
		files[file] = append(files[file], text...)
	}
	for file, text := range files {
		g.Expect(os.WriteFile(filepath.Join(dir, file), text, 0o600)).To(Succeed())
	}
	g.Expect(files).To(HaveKey("late.json"))
	return dir
}

// restoreWithoutStatuses restores Secrets, keys and bindings, in this order, as
// a tool would that knows nothing of Signet. One Secret is missing.
func restoreWithoutStatuses(t *testing.T, c *Cluster, saved string, before *State) {
	g := NewWithT(t)
	others(t, c)
	as, dir := restorer(t, c), without(t, saved, "retiring")
	output, err := shell(t, c, as, dir, "kubectl create -f secrets.json")
	g.Expect(err).To(HaveOccurred())
	g.Expect(output).To(ContainSubstring("A tool that restores backups has to be named in ConfigMap signet-policy-parameters"))
	g.Expect(output).To(ContainSubstring("secret/supplied-own created"), "sources are no managed Secrets")

	commands := strings.Split(documented(t, "Backup and restore", "who="), "\n")
	output, err = shell(t, c, as, dir, strings.Join(commands[:2], "\n"))
	g.Expect(err).NotTo(HaveOccurred(), output)
	g.Eventually(func() string {
		// What was let in before is there already.
		output, _ := shell(t, c, as, dir, "kubectl create -f secrets.json")
		return output
	}, proc.Long, proc.Poll).ShouldNot(ContainSubstring("forbidden"))
	output, err = shell(t, c, as, dir, "kubectl create -f keys.json && kubectl create -f bindings.json")
	g.Expect(err).NotTo(HaveOccurred(), output)

	delete(before.Secrets, "retiring")
	g.Eventually(func(g Gomega) {
		now := look(t, c)
		g.Expect(restored(before, now)).To(BeEmpty())
		holders := names(now)
		g.Expect(holders).To(HaveKeyWithValue(contested, "a-contender"), "the first that was restored")
		delete(holders, contested)
		wanted := names(before)
		delete(wanted, contested)
		delete(wanted, moving) // the key that signed for it is in no spec
		g.Expect(holders).To(Equal(wanted))
		fresh := now.Secrets["retiring"]
		g.Expect(fresh).NotTo(BeNil())
		g.Expect(fresh.Data).To(HaveKey("secret"))
	}, proc.Long, proc.Poll).Should(Succeed())
}

// restoreByTheBook runs the documented commands. One Secret comes late.
func restoreByTheBook(t *testing.T, c *Cluster, saved string, before *State) {
	g := NewWithT(t)
	others(t, c)
	watcher, err := slotwatch.Watch(t.Context(), c.Config, Recorded)
	g.Expect(err).NotTo(HaveOccurred())
	defer watcher.Stop()
	as, dir := restorer(t, c), without(t, saved, "basic")
	output, err := shell(t, c, as, dir, documented(t, "Backup and restore", "who="))
	g.Expect(err).NotTo(HaveOccurred(), output)
	g.Eventually(func(g Gomega) {
		now := look(t, c)
		ready := meta.FindStatusCondition(now.Keys["basic"].Status.Conditions, signetv1alpha1.ConditionReady)
		g.Expect(ready).To(HaveField("Reason", signetv1alpha1.ReasonSecretLost))
	}, proc.Long, proc.Poll).Should(Succeed())

	commands := strings.Split(documented(t, "Backup and restore", "who="), "\n")
	output, err = shell(t, c, as, dir, strings.Join(commands[:2], "\n"))
	g.Expect(err).NotTo(HaveOccurred(), output)
	g.Eventually(func() (string, error) { return shell(t, c, as, dir, "kubectl create -f late.json") }, proc.Long, proc.Poll).
		Should(ContainSubstring("created"))
	g.Eventually(func(g Gomega) {
		now := look(t, c)
		g.Expect(restored(before, now)).To(BeEmpty())
		g.Expect(now.Holders()).To(Equal(before.Holders()))
		g.Expect(now.unmet([]expectation{
			{key, "basic", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonReady},
			{key, "staged", signetv1alpha1.ConditionRotating, signetv1alpha1.ReasonStaged},
			{key, "deleted", signetv1alpha1.ConditionInUse, signetv1alpha1.ReasonBound},
			{binding, "routes", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
			{binding, "basic", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonBound},
			{binding, "a-contender", signetv1alpha1.ConditionReady, signetv1alpha1.ReasonConflicted},
		})).To(Succeed())
	}, proc.Long, proc.Poll).Should(Succeed())
	g.Expect(watcher.Doubles()).To(BeEmpty())
	g.Expect(watcher.Seen()).To(BeNumerically(">=", len(before.Bindings)))
}

// names are the holders without the time.
func names(state *State) map[slots.Slot]string {
	holders := state.Holders()
	for slot, holder := range holders {
		holders[slot], _, _ = strings.Cut(holder, " ")
	}
	return holders
}

// restored returns which Secrets do not contain the versions that they had.
func restored(before, now *State) []string {
	var f findings
	for name, was := range before.Secrets {
		is := now.Secrets[name]
		if is == nil {
			f.when(true, "Secret %s is not there", name)
			continue
		}
		for _, prefix := range []string{"", prefixNext, prefixPrevious} {
			for _, field := range []string{"key", "secret", dataKeyID} {
				f.when(!bytes.Equal(was.Data[prefix+field], is.Data[prefix+field]), "%s%s of Secret %s is not what it was", prefix, field, name)
			}
		}
		owned := len(was.OwnerReferences) > 0
		f.when(owned && (len(is.OwnerReferences) != 1 || is.OwnerReferences[0].UID != now.Keys[is.OwnerReferences[0].Name].UID), "Secret %s is not its key's", name)
	}
	return f
}
