// SPDX-License-Identifier: Apache-2.0

package status

import "time"

// RefusalDelay is how long a write may keep failing before it is reported: API
// servers restart, and admission webhooks are rolled out.
const RefusalDelay = 30 * time.Second

// Refusal is a write that keeps failing. The zero value is none.
type Refusal struct {
	// Reason is WriteRefused or WriteFailed.
	Reason string
	// Message names the object and what to do. It has the API server's text only if
	// that contains no material.
	Message string
	// Since is when the write first failed. It is known to this process alone.
	Since time.Time
}

// IsZero reports whether no write has failed.
func (r Refusal) IsZero() bool { return r.Reason == "" }

// Persists reports whether the write has been failing for so long that the object
// reports it.
func (r Refusal) Persists(now time.Time) bool {
	return !r.IsZero() && now.Sub(r.Since) >= RefusalDelay
}

// Readiness is that of an object whose write keeps failing: it turns to stalled like
// any other wait.
func (r Refusal) Readiness() Readiness { return Waiting(r.Reason, r.Message) }
