// SPDX-License-Identifier: Apache-2.0

package slots

import "sync"

// Waiter is work that has found a gate closed. Its Retry is called when the gate opens,
// once for all that have the same ID.
type Waiter struct {
	// ID distinguishes waiters.
	ID string
	// Retry begins the work again; it does not block.
	Retry func()
}

// gate admits one at a time. Nobody waits at it: who finds it closed does other work
// and tries again when it opens.
type gate struct {
	mu      sync.Mutex
	closed  bool
	waiters map[string]func()
}

// enter closes the gate behind the caller, who opens it with leave. If it is closed
// already, ok is false, and the waiter is called when it opens.
func (g *gate) enter(waiter Waiter) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		if g.waiters == nil {
			g.waiters = map[string]func(){}
		}
		g.waiters[waiter.ID] = waiter.Retry
		return nil, false
	}
	g.closed = true
	return sync.OnceFunc(g.open), true
}

func (g *gate) open() {
	g.mu.Lock()
	waiters := g.waiters
	g.closed, g.waiters = false, nil
	g.mu.Unlock()
	for _, retry := range waiters {
		retry()
	}
}
