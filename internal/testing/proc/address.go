// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress is FindAddress for tests.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	address, err := FindAddress()
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

// FindAddress returns an address on loopback that no program listens on. Its
// port is below the range of outgoing connections, so that the address is still
// free when a program is started again.
func FindAddress() (string, error) {
	const first, count, tries = 10000, 20000, 100
	var err error
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(count))
		var listener net.Listener
		if listener, err = net.Listen("tcp", address); err == nil { //nolint:noctx // does not wait
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
