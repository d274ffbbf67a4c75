// SPDX-License-Identifier: Apache-2.0

package webhookcert

import (
	"time"

	"github.com/signet-dev/signet/internal/pki"
)

const (
	day = 24 * time.Hour

	// An authority is renewed when authorityRenew of its life is left. The
	// previous one stays trusted for authorityOverlap: replicas switch within
	// seconds.
	authorityLife    = 365 * day
	authorityRenew   = 120 * day
	authorityOverlap = 7 * day
	// A serving certificate is renewed when servingRenew of its life is left.
	servingLife  = 30 * day
	servingRenew = 10 * day
)

// renewalTime returns when the authority is replaced by a new one.
func renewalTime(authority *pki.Authority) time.Time {
	return authority.Certificate().NotAfter.Add(-authorityRenew)
}

// overlapEnd returns when earlier authorities are no longer trusted.
func overlapEnd(authority *pki.Authority) time.Time {
	return authority.Certificate().NotBefore.Add(pki.ClockSkew + authorityOverlap)
}
