// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const namespace = "signet-samples"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("DEMO_ONCE") == "1")
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is the state that the steps share.
type demo struct {
	screen  *screen
	cluster *controlplane.ControlPlane
	manager *proc.Process
	// traffic are the programs that handle requests, in the order of their start.
	traffic []*proc.Process
	// binary is the path of the program signet.
	binary  string
	kubectl kubectl
	admin   client.Client
	// webhooks is the address on which the manager serves admission.
	webhooks string
	// once is true if everything is shut down at the end.
	once bool
	// unmet is the number of failed expectations.
	unmet int
}

func run(ctx context.Context, once bool) (err error) {
	d := &demo{screen: newScreen(os.Stdout), once: once}
	defer func() { err = errors.Join(err, d.takeDown()) }()
	steps := []func(context.Context) error{
		d.startControlPlane, d.install, d.startManager, d.applySamples, d.playGateway,
		d.showAll, d.showGenerated, d.showSupplied, d.showTraffic, d.showRotation, d.showConflict, d.showRefusal, d.showBlockedDeletion,
		d.checkNothingLeaks,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return d.interrupted()
			}
			return d.explained(err)
		}
	}
	if !once {
		return d.stayUp(ctx)
	}
	if err := d.release(ctx); err != nil {
		return d.explained(err)
	}
	if d.unmet > 0 {
		return d.explained(fmt.Errorf("%d expectations failed", d.unmet))
	}
	d.screen.say("Everything was as expected.")
	return nil
}

// explained adds the end of the manager's log to an error, because the log is
// deleted with the control plane.
func (d *demo) explained(err error) error {
	if d.manager == nil {
		return err
	}
	return fmt.Errorf("%w\n\nThe manager's log ends with:\n%s", err, d.manager.Tail())
}

// interrupted is the end at the user's request. It is an error only with
// DEMO_ONCE=1, which promises a result.
func (d *demo) interrupted() error {
	if d.once {
		return errors.New("interrupted")
	}
	return nil
}

// stayUp keeps everything running until Ctrl-C, or until the manager exits.
func (d *demo) stayUp(ctx context.Context) error {
	d.screen.chapter("Try it yourself, until Ctrl-C")
	if d.unmet > 0 {
		d.screen.say(fmt.Sprintf("%d expectations failed, see above.", d.unmet))
	}
	d.screen.say("In another shell:")
	d.screen.code(
		"export KUBECONFIG="+d.cluster.Kubeconfig,
		fmt.Sprintf("alias kubectl=%s", d.cluster.Kubectl),
		"",
		"kubectl -n "+namespace+" get signet",
		"kubectl explain signaturekey.spec",
		"kubectl -n "+namespace+" delete signaturebinding orders     # orders-takeover takes over",
		"kubectl -n "+namespace+" delete signaturebinding inventory  # releases the deleted key",
	)
	d.screen.say("The manager's log: " + d.logOf("manager"))
	select {
	case <-ctx.Done():
		return nil
	case <-d.manager.Ended():
		return d.explained(fmt.Errorf("the manager exited with status %d", d.manager.ExitCode()))
	}
}

// start starts a program that a terminal's Ctrl-C does not reach, so that
// takeDown ends everything in order.
func (d *demo) start(name, program, log string, args []string) (*proc.Process, error) {
	return proc.Start(proc.Command{Name: name, Program: program, Args: args, Log: log, OwnGroup: true})
}

// logOf is the path of the log of Signet's manager or signer.
func (d *demo) logOf(command string) string { return filepath.Join(d.cluster.Dir, command+".log") }

func (d *demo) takeDown() error {
	if d.cluster == nil {
		return nil
	}
	d.screen.chapter("Shutting down")
	var err error
	for _, p := range slices.Backward(d.traffic) {
		err = errors.Join(err, p.Stop())
	}
	if d.manager != nil {
		err = errors.Join(err, d.manager.Stop())
	}
	d.cluster.Stop()
	return err
}
