// SPDX-License-Identifier: Apache-2.0

package env

import (
	"errors"
	"net/http"
	"strings"
	"sync"
)

// ErrDisconnected is what a manager gets instead of a response after a fault.
var ErrDisconnected = errors.New("disconnected from the API server")

// Fault is what happens to one write of a manager.
type Fault string

const (
	// KilledBefore means that the manager is killed before it sends the write.
	KilledBefore Fault = "the manager is killed before it sends"
	// KilledAfter means that the manager is killed after the API server has applied
	// the write.
	KilledAfter Fault = "the manager is killed when the API server has done"
	// ResponseLost means that the API server applies the write, but that its response
	// does not arrive.
	ResponseLost Fault = "the manager does not get the response to"
)

// FaultTransport passes a number of writes to the API server, and applies its
// fault to the next one. Requests about Events and outside namespaces do not
// count. After a kill it passes nothing.
type FaultTransport struct {
	fault Fault
	after int

	mu     sync.Mutex
	writes int
	killed bool
}

// NewFaultTransport returns a transport that applies the fault after that many
// writes.
func NewFaultTransport(fault Fault, after int) *FaultTransport {
	return &FaultTransport{fault: fault, after: after}
}

// Wrap is a ManagerOptions.Transport.
func (t *FaultTransport) Wrap(next http.RoundTripper) http.RoundTripper {
	return RoundTripper(func(request *http.Request) (*http.Response, error) {
		write := request.Method != http.MethodGet && strings.Contains(request.URL.Path, "/namespaces/") && !strings.Contains(request.URL.Path, "/events")
		send, respond := t.decide(write)
		if !send {
			return nil, ErrDisconnected
		}
		response, err := next.RoundTrip(request)
		if err == nil && !respond {
			_ = response.Body.Close()
			return nil, ErrDisconnected
		}
		return response, err
	})
}

// decide reports whether a request is sent, and whether its response arrives.
func (t *FaultTransport) decide(write bool) (send, respond bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.killed {
		return false, false
	}
	if !write {
		return true, true
	}
	t.writes++
	if t.writes != t.after+1 {
		return true, true
	}
	t.killed = t.fault != ResponseLost
	return t.fault != KilledBefore, false
}

// After returns the number of writes before the fault.
func (t *FaultTransport) After() int { return t.after }

// Writes returns the number of writes so far.
func (t *FaultTransport) Writes() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writes
}

// Applied reports whether the fault has happened.
func (t *FaultTransport) Applied() bool { return t.Writes() > t.after }

// Killed reports whether the manager has been killed.
func (t *FaultTransport) Killed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.killed
}
