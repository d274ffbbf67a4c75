// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"errors"
	"time"

	"github.com/go-logr/logr"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/signer/snapshot"
)

// Signer handles the requests to all endpoints.
type Signer struct {
	store      *snapshot.Store
	limits     Limits
	now        func() time.Time
	metrics    *Metrics
	failures   *failures
	refusalLog *refusalLog
}

// Limits bound what callers can use.
type Limits struct {
	// MaxBody is the maximum size of a body in bytes.
	MaxBody int64
	// MaxHeader is the maximum size of the headers of a request in bytes. It must
	// fit into 32 bits.
	MaxHeader int
	// ReadTimeout limits how long a request may take to arrive.
	ReadTimeout time.Duration
	// MaxConnections is the maximum number of concurrent connections to an
	// endpoint.
	MaxConnections int
	// FailureRate is the number of failed verifications per second that a caller
	// may cause for each slot in the long run, and FailureBurst the number at
	// once. A rate of 0 disables the limit.
	FailureRate  float64
	FailureBurst int
}

// New returns a signer that uses the snapshots of the store.
func New(store *snapshot.Store, limits Limits, now func() time.Time, metrics *Metrics, logger logr.Logger) *Signer {
	return &Signer{
		store: store, limits: limits, now: now, metrics: metrics,
		failures: newFailures(limits), refusalLog: newRefusalLog(logger),
	}
}

// signed is the signature of a request.
type signed struct {
	signature.Headers
	// name is the name of the header that carries the signature.
	name string
}

// findGrant returns the policy and the material of the slot of a call, if the caller
// may use its namespace for the verb.
func (s *Signer) findGrant(c *call, verb string, now time.Time) (snapshot.Grant, error) {
	if err := c.caller.authorize(verb, c.slot.Namespace, now); err != nil {
		return snapshot.Grant{}, err
	}
	grant, err := s.store.Snapshot().Lookup(c.slot, now)
	if err != nil {
		return snapshot.Grant{}, unusable(err)
	}
	return grant, nil
}

// sign signs a request as the grant specifies. It returns all three headers or an
// error.
func (s *Signer) sign(grant snapshot.Grant, request *signature.Request, now time.Time) (*signed, error) {
	request.SignedHeaders = grant.SignedHeaders
	key, err := grant.SigningKey()
	if err != nil {
		return nil, internalError(err)
	}
	headers, err := key.Sign(request, now)
	if err != nil {
		return nil, unsignable(err)
	}
	if headers.Signature == "" || headers.Date == "" || headers.Payload == "" {
		return nil, internalError(errors.New("incomplete signature"))
	}
	return &signed{Headers: headers, name: grant.Header}, nil
}
