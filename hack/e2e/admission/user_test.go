// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// answers are all warnings and refusals that any user has got.
var answers = &env.LogBuffer{}

// user is a client that records the API server's warnings, as kubectl does.
type user struct {
	client.Client
	warned *warnings
}

// newUser returns a user with a name and groups; without a name the administrator
// of the control plane.
func newUser(name string, groups ...string) *user {
	GinkgoHelper()
	config := rest.CopyConfig(cluster.Config)
	if name != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: append([]string{"system:authenticated"}, groups...)}
	}
	return userOf(config)
}

// newAccount comes with a ServiceAccount's token.
func newAccount(ctx context.Context, namespace, name string) *user {
	GinkgoHelper()
	config, err := cluster.ServiceAccountConfig(ctx, namespace, name)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	return userOf(config)
}

func userOf(config *rest.Config) *user {
	GinkgoHelper()
	u := &user{warned: &warnings{}}
	config.WarningHandler = u.warned
	c, err := client.New(config, client.Options{Scheme: cluster.Scheme})
	Expect(err).NotTo(HaveOccurred())
	u.Client = c
	return u
}

// ask does something and returns what the API server warned of meanwhile.
func (u *user) ask(do func() error) ([]string, error) {
	u.warned.take()
	err := do()
	if err != nil {
		_, _ = answers.Write([]byte(err.Error() + "\n"))
	}
	return u.warned.take(), err
}

// warnings are what the API server has warned of.
type warnings struct {
	mu   sync.Mutex
	text []string
}

// HandleWarningHeader keeps a warning.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, text)
	_, _ = answers.Write([]byte(text + "\n"))
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.text
	w.text = nil
	return taken
}

// grant binds a ClusterRole in a namespace, and waits until it takes effect.
func grant(ctx context.Context, namespace, role, name string) {
	GinkgoHelper()
	env.Create(ctx, admin, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role + "-" + strings.ReplaceAll(name, ":", "-")},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	})
	u := newUser(name)
	Eventually(func(g Gomega) {
		g.Expect(u.Create(ctx, gen.SignatureKey("probe", gen.InNamespace(namespace)), client.DryRunAll)).To(Succeed())
	}).Should(Succeed())
}
