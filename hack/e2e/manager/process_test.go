// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"path/filepath"
	"strconv"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/env"
)

// process is a manager that reaches the API server through a gate.
type process struct {
	*env.ManagerProcess
	gate *gate
}

var processes atomic.Int32

// startProcess starts a manager with the ServiceAccount of a namespace. It ends
// with the spec.
func startProcess(ctx context.Context, namespace string, flags ...string) *process {
	GinkgoHelper()
	return startProcessThrough(ctx, newGate(), namespace, flags...)
}

func startProcessThrough(ctx context.Context, gate *gate, namespace string, flags ...string) *process {
	GinkgoHelper()
	config, err := cluster.ServiceAccountConfig(ctx, namespace, env.ManagerAccount)
	Expect(err).NotTo(HaveOccurred())
	config.Host, config.CAData = gate.url, gate.ca
	name := "manager-" + strconv.Itoa(int(processes.Add(1)))
	kubeconfig := filepath.Join(cluster.Dir, name+".kubeconfig")
	Expect(cluster.WriteKubeconfig(config, kubeconfig)).To(Succeed())
	m, err := cluster.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Name: name, Kubeconfig: kubeconfig, Flags: flags, Output: GinkgoWriter, NotReady: true,
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = m.Stop() })
	return &process{ManagerProcess: m, gate: gate}
}
