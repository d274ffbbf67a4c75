// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
)

const systemNamespace = env.SystemNamespace

// What the tests share: a control plane with the namespaces that the chart
// needs, the root of the checkout, helm, and the chart as it is published.
var (
	cluster *env.Cluster
	admin   client.Client
	root    string
	helm    string
	chart   string
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if cluster, err = env.Start(context.Background(), env.Options{ControllerManager: true}); err != nil {
		return 1, err
	}
	defer cluster.Stop()
	root, admin = cluster.Root, cluster.Admin
	for _, namespace := range []string{systemNamespace, "team-a", "team-b", "gateways"} {
		if output, err := execute(cluster.Kubectl, "create", "namespace", namespace); err != nil {
			return 1, errors.Join(err, errors.New(output))
		}
	}
	if err := packageChart(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// packageChart builds helm, in the version that hack/tools pins, and the chart.
func packageChart() error {
	helm = filepath.Join(cluster.Dir, "helm")
	build := exec.CommandContext(context.Background(), "go", "build", "-modfile=hack/tools/helm.mod", "-o", helm, "helm.sh/helm/v3/cmd/helm")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build helm: %w: %s", err, output)
	}
	if output, err := execute(helm, "package", filepath.Join(root, "config", "chart"), "--destination", cluster.Dir); err != nil {
		return fmt.Errorf("package the chart: %w: %s", err, output)
	}
	charts, err := filepath.Glob(filepath.Join(cluster.Dir, "signet-*.tgz"))
	if err != nil || len(charts) != 1 {
		return fmt.Errorf("one packaged chart is wanted, and there is %q: %w", charts, err)
	}
	chart = charts[0]
	return nil
}

// execute runs kubectl or helm as an administrator of the control plane.
func execute(program string, args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig,
		"HELM_CACHE_HOME="+cluster.Dir, "HELM_CONFIG_HOME="+cluster.Dir, "HELM_DATA_HOME="+cluster.Dir)
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// template renders the published chart with values in YAML.
func template(t *testing.T, values string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	NewWithT(t).Expect(os.WriteFile(file, []byte(values), 0o600)).To(Succeed())
	// Without a cluster, helm takes its own word for the version of Kubernetes.
	return execute(helm, "template", "signet", chart, "--namespace", systemNamespace, "--kube-version", "1.37.2", "--values", file)
}

// objects are those that the chart renders, by identity.
func objects(t *testing.T, values string) map[string]*unstructured.Unstructured {
	t.Helper()
	text, err := template(t, values)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
	return decode(t, []byte(text))
}

func decode(t *testing.T, text []byte) map[string]*unstructured.Unstructured {
	t.Helper()
	list, err := controlplane.Decode(bytes.NewReader(text))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return byIdentity(t, list)
}

func byIdentity(t *testing.T, list []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	all := map[string]*unstructured.Unstructured{}
	for _, object := range list {
		identity := strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, "/")
		NewWithT(t).Expect(all).NotTo(HaveKey(identity), "rendered twice")
		all[identity] = object
	}
	return all
}

// kustomized are the objects of folders of config/.
func kustomized(t *testing.T, folders ...string) map[string]*unstructured.Unstructured {
	t.Helper()
	var list []*unstructured.Unstructured
	for _, folder := range folders {
		some, err := cluster.Render(t.Context(), filepath.Join(root, "config", folder))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		list = append(list, some...)
	}
	return byIdentity(t, list)
}
