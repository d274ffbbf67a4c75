// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"net/http"
	"runtime/debug"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/slots"
)

// endpoint names a listener of the signer.
type endpoint string

// The endpoints. Metrics and logs use these values.
const (
	endpointSign     endpoint = "sign"
	endpointEnvoy    endpoint = "envoy"
	endpointExtAuthz endpoint = "ext_authz"
	endpointVerify   endpoint = "verify"
)

var endpoints = []endpoint{endpointSign, endpointEnvoy, endpointExtAuthz, endpointVerify}

// call is one request to an endpoint.
type call struct {
	caller caller
	// slot is the slot that the request names. It is empty until that is known.
	slot slots.Slot
}

// handleFunc handles a request to an HTTP endpoint. It returns a signature, nil
// if the request succeeds without one, or an error.
type handleFunc func(w http.ResponseWriter, r *http.Request, c *call) (*signed, error)

// handler serves an HTTP endpoint. It does not use a ServeMux, which cleans paths
// and redirects to the cleaned ones.
func (s *Signer) handler(at endpoint, local bool, handle handleFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{caller: callerOf(trackedConnOf(r.Context()), local)}
		result, err := recoverPanic(func() (*signed, error) { return handle(w, r, c) })
		refused := s.finish(at, c, err)
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case refused != nil:
			switch refused.status {
			case http.StatusTooManyRequests:
				w.Header().Set("Retry-After", "1")
			case http.StatusUnauthorized:
				// RFC 9110 requires a challenge; the same as Verifier.Handler.
				w.Header().Set("WWW-Authenticate", "Signature")
			}
			http.Error(w, refused.text, refused.status)
		case result != nil:
			result.Set(w.Header(), result.name)
			w.WriteHeader(http.StatusOK)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// recoverPanic returns an error if handle panics. A panic must cause neither a
// 2xx nor a broken connection: gateways can be configured to forward requests
// after the latter.
func recoverPanic(handle func() (*signed, error)) (result *signed, err error) {
	defer func() {
		if value := recover(); value != nil {
			result, err = nil, internalError(&panicError{stack: debug.Stack()})
		}
	}()
	return handle()
}

// panicError has the stack of a panic, but not its value, which may quote a
// request.
type panicError struct{ stack []byte }

// Error returns the stack.
func (p *panicError) Error() string { return "panic at " + string(p.stack) }

// finish counts and logs how a request ended. It returns nil if it succeeded.
func (s *Signer) finish(at endpoint, c *call, err error) *refusalError {
	if err == nil {
		s.metrics.countRequest(at, resultOK, "")
		return nil
	}
	refused := asRefusal(err)
	s.metrics.countRequest(at, refused.result, snapshotReason(refused))
	s.refusalLog.record(at, c, refused, s.now())
	return refused
}

// SignHandler serves gateways that describe the request in X-Forwarded-Method,
// -Uri and -Host: Traefik, nginx, Caddy. Set local if only this machine can reach
// the listener: it then needs no client certificates.
func (s *Signer) SignHandler(local bool) http.Handler {
	return s.handler(endpointSign, local, s.handleSign)
}

func (s *Signer) handleSign(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	var err error
	if c.slot, err = exactSlot(r.RequestURI, prefixSign); err != nil {
		return nil, notFound()
	}
	now := s.now()
	grant, err := s.findGrant(c, verbSign, now)
	if err != nil {
		return nil, err
	}
	request, err := parseForwarded(r.Header, grant.Host)
	if err != nil {
		return nil, err
	}
	if request.Payload, err = s.readPayload(w, r, grant.SignedPayload); err != nil {
		return nil, err
	}
	return s.sign(grant, request, now)
}

// EnvoyHandler serves gateways that append the target of the request to a
// configured path: Envoy's ext_authz over HTTP. Method and host are those of the
// request itself. For local, see SignHandler.
func (s *Signer) EnvoyHandler(local bool) http.Handler {
	return s.handler(endpointEnvoy, local, s.handleEnvoy)
}

func (s *Signer) handleEnvoy(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	var target string
	var err error
	if c.slot, target, err = cutSlot(r.RequestURI, prefixEnvoy); err != nil {
		return nil, notFound()
	}
	now := s.now()
	grant, err := s.findGrant(c, verbSign, now)
	if err != nil {
		return nil, err
	}
	if target == "" {
		return nil, malformed("no request target after the slot")
	}
	request := &signature.Request{Method: r.Method, Target: target, Host: r.Host, Header: r.Header}
	if grant.Host != "" {
		request.Host = grant.Host
	}
	if request.Payload, err = s.readPayload(w, r, grant.SignedPayload); err != nil {
		return nil, err
	}
	return s.sign(grant, request, now)
}
