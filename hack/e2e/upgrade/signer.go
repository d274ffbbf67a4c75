package upgrade

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/signet-dev/signet/internal/slots"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// Signs runs a signer until it has signed for each API that a binding holds.
// Roles of config/signer have to be installed.
func (c *Cluster) Signs(ctx context.Context, binary string, state *State) error {
	config, err := c.ServiceAccountConfig(ctx, System, "signet-signer")
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(c.Dir, "signer.kubeconfig")
	if err := c.WriteKubeconfig(config, kubeconfig); err != nil {
		return err
	}
	address, err := proc.FindAddress()
	if err != nil {
		return err
	}
	probes, err := proc.FindAddress()
	if err != nil {
		return err
	}
	p := c.newProcess("signer", binary)
	if err := p.start("--kubeconfig="+kubeconfig, "--sign-bind-address="+address,
		"--envoy-bind-address=0", "--ext-authz-bind-address=0", "--verify-bind-address=0",
		"--shutdown-delay=0s", "--metrics-bind-address=0", "--health-probe-bind-address="+probes); err != nil {
		return err
	}
	defer p.Kill()
	if err := Until(ctx, "the signer to be ready", func() error {
		_, err := p.get("http://" + probes + "/readyz")
		return err
	}); err != nil {
		return err
	}
	return Until(ctx, "a signature for each API", func() error { return p.signAll(address, state) })
}

func (p *process) signAll(address string, state *State) error {
	described := http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/orders"}, "X-Forwarded-Host": {"orders.example.com"},
	}
	holders := state.Holders()
	if len(holders) < 10 {
		return fmt.Errorf("%d APIs are held, which is less than were made", len(holders))
	}
	for slot := range holders {
		if _, err := p.ask("http://"+address+pathOf(slot), described); err != nil {
			return err
		}
	}
	return nil
}

func pathOf(slot slots.Slot) string { return "/sign/" + slot.String() }
