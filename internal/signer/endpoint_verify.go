// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"errors"
	"net/http"

	"github.com/signet-dev/signet/api/signature"
)

// VerifyHandler serves backends that do not verify signatures themselves. They
// pass the headers and the body of the request that they received, and its
// method, target and host in X-Forwarded-Method, -Uri and -Host. For local, see
// SignHandler.
func (s *Signer) VerifyHandler(local bool) http.Handler {
	return s.handler(endpointVerify, local, s.handleVerify)
}

func (s *Signer) handleVerify(w http.ResponseWriter, r *http.Request, c *call) (*signed, error) {
	var err error
	if c.slot, err = exactSlot(r.RequestURI, prefixVerify); err != nil {
		return nil, notFound()
	}
	now := s.now()
	grant, err := s.findGrant(c, verbVerify, now)
	if err != nil {
		return nil, err
	}
	key := failureKey{caller: c.caller.identity, slot: c.slot}
	if s.failures.exhausted(key, now) {
		return nil, rateLimited()
	}
	// The host of the binding is what the backend should have received. What it
	// reports to have received is what counts.
	request, err := parseForwarded(r.Header, "")
	if err != nil {
		return nil, err
	}
	if request.Payload, err = s.readPayload(w, r, true); err != nil {
		return nil, err
	}
	// Other requests may have failed while the body arrived.
	if now = s.now(); s.failures.exhausted(key, now) {
		return nil, rateLimited()
	}
	verifier, err := signature.NewVerifier(grant, signature.VerifierOptions{
		Header: grant.Header, AllowUnsignedPayload: !grant.SignedPayload,
		RequiredHeaders: grant.SignedHeaders, Now: s.now,
	})
	if err != nil {
		return nil, internalError(err)
	}
	if _, err := verifier.VerifyRequest(request); err != nil {
		// Only a signature or password that was compared can have been a guess. Anyone
		// can send other requests, and must not use up the failures of this caller.
		if errors.Is(err, signature.ErrMismatch) {
			s.failures.add(key, now)
		}
		return nil, unverified(err)
	}
	return nil, nil //nolint:nilnil // success without a signature
}
