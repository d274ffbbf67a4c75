// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// MaxAge is when a client is asked to open another connection, so that new
	// replicas receive requests.
	MaxAge = 10 * time.Minute
	// NewcomerAge is the age at which a connection ends that was opened while the
	// server stops. A client whose new connections end at once would give up.
	NewcomerAge = time.Second
	// patience is how long a client may ignore that a connection should end.
	patience = 5 * time.Second
)

// Age returns a maximum age that is up to a tenth shorter, so that connections opened
// at the same moment do not end together.
func Age(longest time.Duration) time.Duration {
	return longest - rand.N(longest/10+1) //nolint:gosec // not a secret
}

// Departure is the end of one connection. Its zero value is a connection that stays. It
// is safe for concurrent use.
type Departure struct {
	mu sync.Mutex
	// begun is set when the client was asked, and insists when it has not left long
	// afterwards.
	begun, insists bool
	away           *goAway
	timer          *time.Timer
}

// Schedule has the connection end at that age, replacing the previous schedule.
func (d *Departure) Schedule(age time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = time.AfterFunc(max(0, age), d.Begin)
}

// Closed releases what belongs to a connection that is closed.
func (d *Departure) Closed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

// Begin asks the client to leave. It does not wait for the client.
func (d *Departure) Begin() {
	d.mu.Lock()
	first, away := !d.begun, d.away
	d.begun = true
	d.mu.Unlock()
	if !first {
		return
	}
	if away != nil {
		go away.request() // waits while a client does not read
	}
	time.AfterFunc(patience, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.insists = true
	})
}

// follow is called when the connection is known to be of HTTP/2.
func (d *Departure) follow(away *goAway) {
	d.mu.Lock()
	d.away = away
	late := d.begun
	d.mu.Unlock()
	if late {
		go away.request()
	}
}

// MustClose reports whether the response to a request has to end the connection, by
// `Connection: close`. A nil Departure is a connection that stays.
func (d *Departure) MustClose(r *http.Request) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.insists || d.begun && r.ProtoMajor == 1
}
