// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// Build builds a command of a checkout as the Dockerfile does.
func Build(ctx context.Context, checkout, command, output string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", output, command)
	build.Dir = checkout
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s of %s: %w\n%s", command, checkout, err, text)
	}
	return nil
}

// ProcessOptions configure how the binary runs.
type ProcessOptions struct {
	// Binary is the path of signet.
	Binary string
	// Name of the process and of its log file; defaults to the command.
	Name string
	// Namespace of the ServiceAccount; defaults to SystemNamespace.
	Namespace string
	// Kubeconfig replaces that of the ServiceAccount.
	Kubeconfig string
	// Webhooks is where the manager serves admission; empty: a free address that
	// the API server does not call.
	Webhooks string
	// Flags come last.
	Flags []string
	// Output gets what the process prints, as its log file does.
	Output io.Writer
	// Earlier is set for binaries of other versions, which may lack some flags.
	Earlier bool
	// NotReady returns at once, for processes that do not become ready.
	NotReady bool
}

// ManagerProcess is a manager at work, in a process of its own under its own
// role.
type ManagerProcess struct {
	*proc.Process
	// Webhooks, Probes and Metrics are the addresses where it serves them.
	Webhooks, Probes, Metrics string
	// Log is the path of its log file.
	Log string
}

// StartManagerProcess starts a manager, and returns when it is ready. The caller
// calls Stop.
func (c *Cluster) StartManagerProcess(ctx context.Context, options ProcessOptions) (*ManagerProcess, error) {
	m := &ManagerProcess{Webhooks: options.Webhooks}
	for _, address := range []*string{&m.Webhooks, &m.Probes, &m.Metrics} {
		if err := defaultAddress(address); err != nil {
			return nil, err
		}
	}
	flags := []string{
		"--webhook-bind-address=" + m.Webhooks, "--webhook-names=127.0.0.1",
		"--metrics-bind-address=" + m.Metrics, "--health-probe-bind-address=" + m.Probes,
	}
	if !options.Earlier {
		flags = append(flags, "--shutdown-delay=0s")
	}
	var err error
	m.Process, m.Log, err = c.startProcess(ctx, "manager", ManagerAccount, m.Probes, flags, options)
	return m, err
}

// WaitAdmission returns when the API server reaches the webhooks and trusts their
// certificate.
func (c *Cluster) WaitAdmission(ctx context.Context) error {
	probe := gen.SignatureKey("probe", gen.InNamespace("default"))
	return proc.Until(ctx, proc.Soon, "admission to answer", func() error {
		return c.Admin.Create(ctx, probe.DeepCopy(), client.DryRunAll)
	})
}

// SignerOptions configure a signer.
type SignerOptions struct {
	ProcessOptions
	// Certificates is a folder from `signet certs`; empty: plain text.
	Certificates string
	// Sign, Verify and Metrics are where it serves them. Sign and Metrics default
	// to free addresses; without Verify that endpoint is closed.
	Sign, Verify, Metrics string
}

// SignerProcess is a signer at work, in a process of its own under its own role.
type SignerProcess struct {
	*proc.Process
	// Sign, Probes and Metrics are the addresses where it serves them.
	Sign, Probes, Metrics string
}

// StartSignerProcess starts a signer, and returns when it is ready. The caller
// calls Stop.
func (c *Cluster) StartSignerProcess(ctx context.Context, options SignerOptions) (*SignerProcess, error) {
	s := &SignerProcess{Sign: options.Sign, Metrics: options.Metrics}
	for _, address := range []*string{&s.Sign, &s.Metrics, &s.Probes} {
		if err := defaultAddress(address); err != nil {
			return nil, err
		}
	}
	if options.Verify == "" {
		options.Verify = "0"
	}
	flags := []string{
		"--sign-bind-address=" + s.Sign, "--verify-bind-address=" + options.Verify, "--envoy-bind-address=0", "--ext-authz-bind-address=0",
		"--metrics-bind-address=" + s.Metrics, "--health-probe-bind-address=" + s.Probes, "--shutdown-delay=0s",
	}
	if dir := options.Certificates; dir != "" {
		flags = append(flags,
			"--tls-cert="+filepath.Join(dir, "server", "tls.crt"), "--tls-key="+filepath.Join(dir, "server", "tls.key"),
			"--client-ca="+filepath.Join(dir, "ca", "ca.crt"))
	}
	var err error
	s.Process, _, err = c.startProcess(ctx, "signer", SignerAccount, s.Probes, flags, options.ProcessOptions)
	return s, err
}

func (c *Cluster) startProcess(ctx context.Context, command, account, probes string, flags []string, options ProcessOptions) (*proc.Process, string, error) {
	if options.Name == "" {
		options.Name = command
	}
	if options.Namespace == "" {
		options.Namespace = SystemNamespace
	}
	if options.Kubeconfig == "" {
		var err error
		if options.Kubeconfig, err = c.Identity(ctx, options.Namespace, account); err != nil {
			return nil, "", err
		}
	}
	log := filepath.Join(c.Dir, options.Name+".log")
	args := append([]string{command, "--kubeconfig=" + options.Kubeconfig}, flags...)
	p, err := proc.Start(proc.Command{
		Name: options.Name, Program: options.Binary, Args: append(args, options.Flags...), Log: log, Output: options.Output,
	})
	if err != nil || options.NotReady {
		return p, log, err
	}
	if err := p.WaitReady(ctx, "http://"+probes+"/readyz"); err != nil {
		return nil, log, errors.Join(err, p.Stop())
	}
	return p, log, nil
}

// defaultAddress sets an empty address to a free one.
func defaultAddress(address *string) (err error) {
	if *address == "" {
		*address, err = proc.FindAddress()
	}
	return err
}
