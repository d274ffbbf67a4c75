// Package signer is the data plane: it signs for gateways, and verifies for
// backends, what bindings say, from a snapshot in memory. It only reads from the
// cluster, and fails closed.
package signer

import (
	"errors"
	"time"

	"github.com/go-logr/logr"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
)

// Signer answers for all faces.
type Signer struct {
	store    *snapshot.Store
	limits   Limits
	now      func() time.Time
	metrics  *Metrics
	failures *failures
	remarks  *refusalLog
}

// Limits are what callers are held to.
type Limits struct {
	// MaxBody is how many bytes of a body are read.
	MaxBody int64
	// MaxHeader is how many bytes the headers of a request may have.
	MaxHeader int
	// ReadTimeout is how long a request may take to arrive.
	ReadTimeout time.Duration
	// MaxConnections is how many connections a face has at a time.
	MaxConnections int
	// FailureRate is how many failed verifications a second a caller has for
	// each slot in the long run, and FailureBurst how many at once; without
	// rate there is no limit.
	FailureRate  float64
	FailureBurst int
}

// New makes a signer of what the store knows.
func New(store *snapshot.Store, limits Limits, now func() time.Time, metrics *Metrics, logger logr.Logger) *Signer {
	return &Signer{
		store: store, limits: limits, now: now, metrics: metrics,
		failures: newFailures(limits), remarks: newRefusalLog(logger),
	}
}

// signed is an answer to a gateway.
type signed struct {
	signature.Headers
	// name of the header that carries the signature.
	name string
}

// lookup finds what a slot is signed with.
func (s *Signer) lookup(slot slots.Slot, now time.Time) (snapshot.Grant, error) {
	grant, err := s.store.Snapshot().Lookup(slot, now)
	if err != nil {
		return snapshot.Grant{}, unusable(err)
	}
	return grant, nil
}

// sign signs a request as the grant says: with all three headers, or not at all.
func (s *Signer) sign(grant snapshot.Grant, request *signature.Request, now time.Time) (*signed, error) {
	request.SignedHeaders = grant.SignedHeaders
	key, err := grant.SigningKey()
	if err != nil {
		return nil, failed(err)
	}
	headers, err := key.Sign(request, now)
	if err != nil {
		return nil, unsignable(err)
	}
	if headers.Signature == "" || headers.Date == "" || headers.Payload == "" {
		return nil, failed(errors.New("the signature is not complete"))
	}
	return &signed{Headers: headers, name: grant.Header}, nil
}
