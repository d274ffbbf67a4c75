// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// What all specs share: a control plane with the kinds of the Gateway API and all
// of config/default, and a manager at work.
var (
	cluster *env.Cluster
	// admin is a cluster administrator.
	admin *user
)

func TestAdmission(t *testing.T) {
	env.RunSuite(t, "Admission")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(GinkgoLogr)
	var err error
	webhookAddress, err = proc.FindAddress()
	Expect(err).NotTo(HaveOccurred())
	cluster, err = env.Start(ctx, env.Options{
		ControllerManager: true, GatewayAPI: true, Install: []string{"default"}, Webhooks: webhookAddress, Out: os.Stderr,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { cluster.Stop() })
	admin = newUser("")
	binary = filepath.Join(cluster.Dir, "signet")
	Expect(env.Build(ctx, cluster.Root, ".", binary)).To(Succeed())
	DeferCleanup(stopManager)
	startManager(ctx, shipped...)
})

// managedSecret waits for the managed Secret of a key.
func managedSecret(ctx context.Context, key *signetv1alpha1.SignatureKey) *corev1.Secret {
	GinkgoHelper()
	env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	return env.Reload(Default, ctx, admin, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.EffectiveTargetName()}})
}
