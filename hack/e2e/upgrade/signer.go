// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"fmt"
	"net/http"

	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/env"
)

// Signs runs a signer until it has signed for each API that a binding holds.
// Roles of config/signer have to be installed.
func (c *Cluster) Signs(ctx context.Context, binary string, state *State) error {
	s, err := c.StartSignerProcess(ctx, env.SignerOptions{ProcessOptions: env.ProcessOptions{Binary: binary}})
	if err != nil {
		return err
	}
	defer s.Kill()
	return Until(ctx, "a signature for each API", func() error { return signAll(ctx, s, state) })
}

func signAll(ctx context.Context, s *env.SignerProcess, state *State) error {
	described := http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/orders"}, "X-Forwarded-Host": {"orders.example.com"},
	}
	holders := state.Holders()
	if len(holders) < 10 {
		return fmt.Errorf("%d APIs are held, which is fewer than were created", len(holders))
	}
	for slot := range holders {
		if _, err := s.Get(ctx, "http://"+s.Sign+pathOf(slot), described); err != nil {
			return err
		}
	}
	return nil
}

func pathOf(slot slots.Slot) string { return "/sign/" + slot.String() }
