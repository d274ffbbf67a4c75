package manager_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/testing/controlplane"
)

const (
	soon = 30 * time.Second
	// long is for the API server to remove a kind with all its objects.
	long = 3 * time.Minute
	poll = 50 * time.Millisecond

	systemNamespace = "signet-system"
	serviceAccount  = "signet-controller-manager"
)

// What all specs share: a control plane with the CRDs and the roles as they are
// shipped, and the manager's binary.
var (
	plane  *controlplane.ControlPlane
	admin  client.Client
	binary string
)

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(poll)
	RunSpecs(t, "Manager")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(GinkgoWriter, nil)))
	var err error
	plane, err = controlplane.Start(ctx, controlplane.Options{Out: os.Stderr})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { plane.Stop() })
	plane.Config.QPS = -1
	scheme, err := manager.Scheme()
	Expect(err).NotTo(HaveOccurred())
	admin, err = client.New(plane.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	for _, dir := range []string{"crd", "namespace", "rbac"} {
		install(ctx, filepath.Join("..", "..", "..", "config", dir))
	}
	binary = filepath.Join(plane.Dir, "signet")
	// As `make build`, but with the packages that the tests were built from.
	output, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "../../..").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
})

func install(ctx context.Context, dir string) {
	GinkgoHelper()
	Expect(plane.Install(ctx, dir, controlplane.InstallOptions{})).To(Succeed())
}

func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	return create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "spec-"}}).Name
}

func create[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	Expect(admin.Create(ctx, object)).To(Succeed())
	return object
}

// change changes an object as its owner would, again if somebody else was
// faster.
func change[T client.Object](ctx context.Context, object T, how func(T)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		how(object)
		g.Expect(admin.Update(ctx, object)).To(Succeed())
	}).Should(Succeed())
}
