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

// show prints a command and what it says.
func (k kubectl) show(ctx context.Context, args ...string) error {
	k.screen.command("kubectl " + strings.Join(args, " "))
	output, err := k.run(ctx, nil, args...)
	k.screen.output(output)
	return err
}

// showInput is show for a command that reads standard input, which it prints
// too.
func (k kubectl) showInput(ctx context.Context, input string, args ...string) error {
	k.screen.command("kubectl " + strings.Join(args, " ") + " <<EOF\n" + strings.TrimRight(input, "\n") + "\nEOF")
	output, err := k.run(ctx, []byte(input), args...)
	k.screen.output(output)
	return err
}

// run returns what the command prints, warnings included.
func (k kubectl) run(ctx context.Context, input []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.path, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig)
	cmd.Stdin = bytes.NewReader(input)
	// Ctrl-C is for the demo, which then ends the command by its context.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return string(output), err
}
