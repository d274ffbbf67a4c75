package signer

import (
	"net/http"
	"runtime/debug"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/slots"
)

// endpoint is one way to call the signer, with a listener of its own.
type endpoint string

// The faces.
const (
	faceSign     endpoint = "sign"
	faceEnvoy    endpoint = "envoy"
	faceExtAuthz endpoint = "ext_authz"
	faceVerify   endpoint = "verify"
)

var faces = []endpoint{faceSign, faceEnvoy, faceExtAuthz, faceVerify}

// call is one request to a face.
type call struct {
	caller caller
	// slot is what the request is about, once that is known.
	slot slots.Slot
}

// answer is how a face over HTTP deals with a request: with a signature, with
// none if all is well without one, or with an error.
type answer func(w http.ResponseWriter, r *http.Request, c *call) (*signed, error)

// handler serves a face over HTTP. There is no ServeMux: it would clean paths,
// and redirect to what it has cleaned.
func (s *Signer) handler(at endpoint, local bool, answer answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{caller: callerOf(trackedConnOf(r.Context()), local)}
		result, err := s.attempt(func() (*signed, error) { return answer(w, r, c) })
		refused := s.finish(at, c, err)
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case refused != nil:
			if refused.status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "1")
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

// attempt makes an error of a panic: what is answered then must not be a 2xx
// either, nor a connection that breaks off, which gateways may be told to
// let pass.
func (s *Signer) attempt(how func() (*signed, error)) (result *signed, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			result, err = nil, failed(&panicked{stack: debug.Stack()})
		}
	}()
	return how()
}

// panicked has where something went wrong. What it was might quote a request.
type panicked struct{ stack []byte }

func (p *panicked) Error() string { return "panic at " + string(p.stack) }

// finish counts and logs how a request ended.
func (s *Signer) finish(at endpoint, c *call, err error) *refusal {
	if err == nil {
		s.metrics.ended(at, resultOK, "")
		return nil
	}
	refused := refusalOf(err)
	s.metrics.ended(at, refused.result, reasonOf(refused))
	s.remarks.refused(at, c, refused, s.now())
	return refused
}

// SignHandler serves gateways that say in X-Forwarded-Method, -Uri and -Host what
// the request is: Traefik, nginx, Caddy. Local says that only this machine
// reaches it.
func (s *Signer) SignHandler(local bool) http.Handler {
	return s.handler(faceSign, local, s.answerSign)
}

func (s *Signer) answerSign(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	var err error
	if c.slot, err = exactSlot(r.RequestURI, prefixSign); err != nil {
		return nil, unknownPath()
	}
	now := s.now()
	if err := c.caller.authorize(verbSign, c.slot.Namespace, now); err != nil {
		return nil, err
	}
	grant, err := s.lookup(c.slot, now)
	if err != nil {
		return nil, err
	}
	request, err := forwarded(r.Header, grant.Host)
	if err != nil {
		return nil, err
	}
	if request.Payload, err = s.payload(w, r, grant.SignedPayload); err != nil {
		return nil, err
	}
	return s.sign(grant, request, now)
}

// EnvoyHandler serves gateways that append the request's target to a path of
// their configuration: Envoy's ext_authz over HTTP. Method and host are those of
// the request itself.
func (s *Signer) EnvoyHandler(local bool) http.Handler {
	return s.handler(faceEnvoy, local, s.answerEnvoy)
}

func (s *Signer) answerEnvoy(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	slot, target, err := cutSlot(r.RequestURI, prefixEnvoy)
	if err != nil {
		return nil, unknownPath()
	}
	c.slot = slot
	now := s.now()
	if err := c.caller.authorize(verbSign, slot.Namespace, now); err != nil {
		return nil, err
	}
	grant, err := s.lookup(slot, now)
	if err != nil {
		return nil, err
	}
	if target == "" {
		return nil, malformed("there is no target behind the slot")
	}
	request := &signature.Request{Method: r.Method, Target: target, Host: r.Host, Header: r.Header}
	if grant.Host != "" {
		request.Host = grant.Host
	}
	if request.Payload, err = s.payload(w, r, grant.SignedPayload); err != nil {
		return nil, err
	}
	return s.sign(grant, request, now)
}
