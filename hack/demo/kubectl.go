// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// kubectl runs the control plane's own kubectl, as the cluster's administrator.
type kubectl struct {
	path       string
	kubeconfig string
	screen     *screen
}

// show runs a command and prints it with its output.
func (k kubectl) show(ctx context.Context, args ...string) error {
	k.screen.command("kubectl " + strings.Join(args, " "))
	output, err := k.run(ctx, nil, args...)
	k.screen.output(output)
	return err
}

// showInput is show for a command that reads standard input, which is printed, too.
func (k kubectl) showInput(ctx context.Context, input string, args ...string) (string, error) {
	k.screen.command("kubectl " + strings.Join(args, " ") + " <<EOF\n" + strings.TrimRight(input, "\n") + "\nEOF")
	output, err := k.run(ctx, []byte(input), args...)
	k.screen.output(output)
	return output, err
}

// run returns the output of a command, including warnings.
func (k kubectl) run(ctx context.Context, input []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.path, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig)
	cmd.Stdin = bytes.NewReader(input)
	// Only the demo receives Ctrl-C. It then ends the command through its context.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return string(output), err
}
