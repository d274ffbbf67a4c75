// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	systemNamespace = "signet-system"
	serviceAccount  = "signet-controller-manager"
)

// startManager builds the binary and runs it under the ServiceAccount and the
// roles of config/default.
func (d *demo) startManager(ctx context.Context) error {
	d.screen.chapter("The manager, under its own role")
	d.screen.say("Built as the Dockerfile builds it, and run with a token of the ServiceAccount " + systemNamespace + "/" +
		serviceAccount + ": it has the permissions of config/rbac and no others.")
	d.binary = filepath.Join(d.cluster.Dir, "signet")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=demo", "-o", d.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build manager: %w\n%s", err, output)
	}
	kubeconfig, err := d.kubeconfigOf(ctx, serviceAccount)
	if err != nil {
		return err
	}
	probes, err := proc.FindAddress()
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + kubeconfig,
		"--public-key-enable",
		"--leader-elect",
		"--leader-elect-namespace=" + systemNamespace,
		"--webhook-bind-address=" + d.webhooks,
		"--webhook-names=" + hostOf(d.webhooks),
		"--metrics-bind-address=0",
		"--health-probe-bind-address=" + probes,
	}
	d.screen.command("signet " + strings.Join(args, " \\\n    "))
	if d.manager, err = d.start("manager", d.binary, d.logOf("manager"), args); err != nil {
		return err
	}
	if err := d.manager.WaitReady(ctx, "http://"+probes+"/readyz"); err != nil {
		return err
	}
	d.screen.met("the manager is ready")
	d.expect(ctx, "admission works", patience, d.admissionAnswers)
	return nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// kubeconfigOf writes a kubeconfig with a token of one of Signet's ServiceAccounts.
func (d *demo) kubeconfigOf(ctx context.Context, account string) (string, error) {
	config, err := d.cluster.ServiceAccountConfig(ctx, systemNamespace, account)
	if err != nil {
		return "", fmt.Errorf("request token of ServiceAccount %q: %w", account, err)
	}
	path := filepath.Join(d.cluster.Dir, account+".kubeconfig")
	return path, d.cluster.WriteKubeconfig(config, path)
}

// admissionAnswers checks that the API server reaches the webhooks and trusts them.
func (d *demo) admissionAnswers(ctx context.Context) error {
	probe := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: metav1.NamespaceDefault},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	return d.admin.Create(ctx, probe, client.DryRunAll)
}
