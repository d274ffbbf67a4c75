// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// EtcdAddress is where clients of etcd connect, without TLS.
func (cp *ControlPlane) EtcdAddress() string { return cp.env.ControlPlane.Etcd.URL.Host }

// RestartAPIServer kills kube-apiserver, as a crash does, calls meanwhile and starts
// it again at the same address. It returns when the API server is healthy.
func (cp *ControlPlane) RestartAPIServer(meanwhile func()) error {
	if err := killChild("kube-apiserver"); err != nil {
		return err
	}
	meanwhile()
	if err := cp.env.ControlPlane.GetAPIServer().Start(); err != nil {
		return fmt.Errorf("start kube-apiserver again: %w", err)
	}
	return nil
}

// RestartEtcd is RestartAPIServer for etcd, which keeps its data.
func (cp *ControlPlane) RestartEtcd(meanwhile func()) error {
	if err := killChild("etcd"); err != nil {
		return err
	}
	meanwhile()
	if err := cp.env.ControlPlane.Etcd.Start(); err != nil {
		return fmt.Errorf("start etcd again: %w", err)
	}
	return nil
}

// keepFolders gives etcd and kube-apiserver folders that stay when they are
// started again: a program's own folder goes with it.
func (cp *ControlPlane) keepFolders() error {
	data, certificates := filepath.Join(cp.Dir, "etcd"), filepath.Join(cp.Dir, "kube-apiserver")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Mkdir(certificates, 0o700)); err != nil {
		return fmt.Errorf("make folders for the control plane: %w", err)
	}
	cp.env.ControlPlane.Etcd = &envtest.Etcd{DataDir: data}
	cp.env.ControlPlane.GetAPIServer().CertDir = certificates
	return nil
}

// killChild kills a program that this process has started, and returns when it has
// ended. envtest keeps its processes to itself, and stops them gently only.
func killChild(name string) error {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return fmt.Errorf("find the children of this process: %w", err)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(text)) {
			comm, err := os.ReadFile("/proc/" + field + "/comm")
			if err != nil || strings.TrimSpace(string(comm)) != name {
				continue
			}
			return kill(field, name)
		}
	}
	return fmt.Errorf("kill %s: this process has not started it", name)
}

func kill(field, name string) error {
	pid, err := strconv.Atoi(field)
	if err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return proc.Until(context.Background(), proc.Soon, "the end of "+name, func() error {
		if _, err := os.Stat("/proc/" + field); err == nil {
			return fmt.Errorf("process %d is still there", pid)
		}
		return nil
	})
}
