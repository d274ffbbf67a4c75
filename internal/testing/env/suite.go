// SPDX-License-Identifier: Apache-2.0

package env

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// RunSuite runs the specs of a package as one test. Eventually waits as long as the
// functions of this package do.
func RunSuite(t *testing.T, name string) {
	t.Helper()
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(proc.Soon)
	SetDefaultEventuallyPollingInterval(proc.Poll)
	RunSpecs(t, name)
}
