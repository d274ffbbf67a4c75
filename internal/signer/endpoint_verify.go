package signer

import (
	"net/http"

	"github.com/signet-dev/signet/api/signature"
)

// VerifyHandler serves backends that do not verify for themselves: they hand
// over the request as they got it, its headers and its body, and what it was in
// X-Forwarded-Method, -Uri and -Host.
func (s *Signer) VerifyHandler(local bool) http.Handler {
	return s.handler(faceVerify, local, s.answerVerify)
}

func (s *Signer) answerVerify(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	var err error
	if c.slot, err = exactSlot(r.RequestURI, prefixVerify); err != nil {
		return nil, unknownPath()
	}
	now := s.now()
	if err := c.caller.authorize(verbVerify, c.slot.Namespace, now); err != nil {
		return nil, err
	}
	grant, err := s.lookup(c.slot, now)
	if err != nil {
		return nil, err
	}
	who := failing{caller: c.caller.who, slot: c.slot}
	if s.failures.exhausted(who, now) {
		return nil, limited()
	}
	// The binding's host is what the backend should have got; what it says that
	// it got is what counts.
	request, err := forwarded(r.Header, "")
	if err != nil {
		return nil, err
	}
	if request.Payload, err = s.payload(w, r, true); err != nil {
		return nil, err
	}
	// The body may have taken its time, and others may have failed meanwhile.
	if now = s.now(); s.failures.exhausted(who, now) {
		return nil, limited()
	}
	verifier, err := signature.NewVerifier(grant, signature.VerifierOptions{
		Header: grant.Header, AllowUnsignedPayload: !grant.SignedPayload,
		RequiredHeaders: grant.SignedHeaders, Now: s.now,
	})
	if err != nil {
		return nil, failed(err)
	}
	if _, err := verifier.VerifyRequest(request); err != nil {
		s.failures.note(who, now)
		return nil, unverified(err)
	}
	return nil, nil
}
