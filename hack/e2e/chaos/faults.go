// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// handler is what the proxy does with a request.
type handler func(*call)

// What the proxy does with requests, in percent. The promises depend on writes of
// finalizers and material, and of the status of bindings, most; Events are not
// interesting.
var (
	protectionFaults = []choice[handler]{
		{50, passOn}, {4, refuse}, {7, disguise}, {5, delayRequest}, {4, delayAnswer}, {8, loseAnswer}, {22, deliverLate},
	}
	bindingFaults = []choice[handler]{
		{50, passOn}, {4, refuse}, {6, disguise}, {6, delayRequest}, {3, delayAnswer}, {7, loseAnswer}, {24, deliverLate},
	}
	otherFaults = []choice[handler]{
		{86, passOn}, {2, refuse}, {2, disguise}, {2, delayRequest}, {2, delayAnswer}, {2, loseAnswer}, {4, deliverLate},
	}
	readFaults  = []choice[handler]{{94, passOn}, {2, refuse}, {2, delayRequest}, {2, delayAnswer}}
	leaseFaults = []choice[handler]{
		{88, passOn}, {4, refuse}, {1, disguise}, {2, delayRequest}, {2, loseAnswer}, {3, deliverLate},
	}
	noFaults = []choice[handler]{{1, passOn}}
)

func faultsOf(r *http.Request) []choice[handler] {
	path := r.URL.Path
	status := strings.HasSuffix(path, "/status")
	switch {
	case strings.Contains(path, "/events"), strings.Contains(path, "/selfsubjectaccessreviews"):
		return noFaults
	case isLease(r):
		return leaseFaults
	case r.Method == http.MethodGet:
		return readFaults
	case status && strings.Contains(path, "/signaturebindings/"):
		return bindingFaults
	case !status && r.Method == http.MethodPatch:
		return protectionFaults
	default:
		return otherFaults
	}
}

func passOn(c *call) { c.pass(c.r.Context()) }

// refuse answers with an error and passes nothing on.
func refuse(c *call) {
	code := choose(c.dice, refusals)
	c.fault("refused", " with %d", code)
	c.respond(code)
}

var refusals = []choice[int]{
	{2, http.StatusForbidden}, {3, http.StatusConflict}, {2, http.StatusUnprocessableEntity}, {2, http.StatusTooManyRequests},
	{3, http.StatusInternalServerError}, {3, http.StatusServiceUnavailable},
}

// disguise passes the write on and answers with an error for which clients repeat
// the request: the answer to the repetition is the echo of the success.
func disguise(c *call) {
	code := choose(c.dice, disguises)
	c.fault("disguised", " with %d", code)
	if _, _, err := c.send(c.r.Context()); err != nil {
		reset(c.w)
		return
	}
	c.respond(code)
}

var disguises = []choice[int]{
	{2, http.StatusTooManyRequests}, {2, http.StatusInternalServerError}, {2, http.StatusServiceUnavailable}, {1, http.StatusConflict},
	{1, http.StatusForbidden},
}

// respond answers as the API server does with an error.
func (c *call) respond(code int) {
	reason := map[int]string{
		http.StatusForbidden: "Forbidden", http.StatusConflict: "Conflict", http.StatusUnprocessableEntity: "Invalid",
		http.StatusTooManyRequests: "TooManyRequests", http.StatusInternalServerError: "InternalError",
		http.StatusServiceUnavailable: "ServiceUnavailable",
	}[code]
	c.w.Header().Set("Content-Type", "application/json")
	if code >= http.StatusTooManyRequests && c.dice.below(2) == 0 {
		c.w.Header().Set("Retry-After", "1")
	}
	c.w.WriteHeader(code)
	_, _ = fmt.Fprintf(c.w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"chaos","reason":%q,"code":%d}`, reason, code)
}

func delayRequest(c *call) {
	wait := c.dice.between(50*time.Millisecond, 3*time.Second)
	c.fault("delayed", " by %s", wait.Round(time.Millisecond))
	if !pause(c.r.Context(), wait) {
		return
	}
	c.pass(c.r.Context())
}

func delayAnswer(c *call) {
	wait := c.dice.between(50*time.Millisecond, 3*time.Second)
	c.fault("answer delayed", " by %s", wait.Round(time.Millisecond))
	response, body, err := c.send(c.r.Context())
	if err != nil {
		reset(c.w)
		return
	}
	pause(c.r.Context(), wait)
	c.answer(response, body)
}

// loseAnswer passes the request on and resets the connection afterwards.
func loseAnswer(c *call) {
	c.fault("answer lost", "")
	_, _, _ = c.send(c.r.Context())
	reset(c.w)
}

// deliverLate resets the connection and passes the request on afterwards. Mostly the
// same request is refused until then: its repetition would be ahead of it.
func deliverLate(c *call) {
	wait := c.dice.between(50*time.Millisecond, longestLate)
	first := c.dice.below(4) > 0
	c.fault("late", " by %s", wait.Round(time.Millisecond))
	if first {
		c.shadows.Store(c.fingerprint(), true)
	}
	if binding, grants := c.grant(); grants {
		c.lateGrant(c.namespace, binding)
		if c.dice.below(handOvers) == 0 {
			c.handOver()
		}
	}
	ctx := context.WithoutCancel(c.r.Context())
	c.late.Add(1)
	go func() {
		defer c.late.Done()
		pause(ctx, wait)
		limited, cancel := context.WithTimeout(ctx, longestLate)
		defer cancel()
		if response, _, err := c.send(limited); err == nil {
			c.journal.note(c.namespace, "%s: late %s %s: %d", c.name, c.r.Method, c.r.URL.Path, response.StatusCode)
		}
		c.shadows.Delete(c.fingerprint())
	}()
	reset(c.w)
}

// handOvers is how many late grants there are for one after which the manager ends, so
// that the other one leads while the grant is on its way.
const handOvers = 3

// fingerprint identifies a request by what it asks for. A status is another one as
// soon as its times are, so that all writes of it count as the same.
func (c *call) fingerprint() string {
	if c.isStatus() {
		return c.r.Method + c.r.URL.Path
	}
	return c.r.Method + c.r.URL.Path + string(c.body)
}

// grant returns the name of the binding to which the request gives an API, or leaves
// it.
func (c *call) grant() (binding string, grants bool) {
	_, rest, _ := strings.Cut(c.r.URL.Path, "/signaturebindings/")
	binding, isStatus := strings.CutSuffix(rest, "/status")
	return binding, isStatus && bytes.Contains(c.body, []byte(`"boundAt"`))
}

func (c *call) isStatus() bool { return strings.HasSuffix(c.r.URL.Path, "/status") }

// isShadowed reports whether the same request is still on its way.
func (c *call) isShadowed() bool {
	_, found := c.shadows.Load(c.fingerprint())
	return found
}
