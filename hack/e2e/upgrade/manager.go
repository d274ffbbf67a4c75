// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/signet-dev/signet/internal/testing/env"
)

// Manager is a manager at work.
type Manager struct {
	*env.ManagerProcess
	binary string
}

// StartManager starts the manager that the API server calls, under its own role,
// and returns when it leads and answers admission.
func (c *Cluster) StartManager(ctx context.Context, binary string) (*Manager, error) {
	m, err := c.launchReplica(ctx, binary, c.webhooks)
	if err != nil {
		return nil, err
	}
	return m, errors.Join(m.WaitLeading(ctx), c.WaitAdmission(ctx))
}

// StartReplica starts another one, which the API server does not call until Ask,
// and returns when it is ready.
func (c *Cluster) StartReplica(ctx context.Context, binary string) (*Manager, error) {
	return c.launchReplica(ctx, binary, "")
}

func (c *Cluster) launchReplica(ctx context.Context, binary, webhooks string) (*Manager, error) {
	m, err := c.StartManagerProcess(ctx, env.ProcessOptions{
		Binary: binary, Webhooks: webhooks, Earlier: true,
		Flags: []string{"--public-key-enable", "--leader-elect", "--leader-elect-namespace=" + System},
	})
	if err != nil {
		return nil, err
	}
	return &Manager{ManagerProcess: m, binary: binary}, nil
}

// WaitLeading returns when the manager has the lease.
func (m *Manager) WaitLeading(ctx context.Context) error {
	return Until(ctx, "the manager to lead", func() error {
		leads, err := m.sample(ctx, `leader_election_master_status\{name="signet-controller-manager"\}`)
		if err == nil && leads != 1 {
			err = errors.New("it does not")
		}
		return err
	})
}

// WaitIdle returns when the manager has reconciled as many objects as exist and
// has nothing to do.
func (m *Manager) WaitIdle(ctx context.Context, state *State) error {
	return Until(ctx, "the manager to have nothing to do", func() error {
		for controller, objects := range map[string]int{"signaturekey": len(state.Keys), "signaturebinding": len(state.Bindings)} {
			reconciled, err := m.sample(ctx, `controller_runtime_reconcile_total\{controller="`+controller+`",result="[a-z_]+"\}`)
			if err != nil {
				return err
			}
			if reconciled < float64(objects) {
				return fmt.Errorf("%s: %v of %d objects reconciled", controller, reconciled, objects)
			}
			for _, busy := range []string{
				`controller_runtime_active_workers\{controller="` + controller + `"\}`,
				`workqueue_depth\{controller="` + controller + `",[^}]*\}`,
			} {
				if count, err := m.sample(ctx, busy); err != nil || count > 0 {
					return errors.Join(err, fmt.Errorf("%s: %s is %v", controller, busy, count))
				}
			}
		}
		return nil
	})
}

// sample is the sum of the samples whose name and labels match.
func (m *Manager) sample(ctx context.Context, series string) (float64, error) {
	text, err := m.Get(ctx, "http://"+m.Metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^`+series+` (\S+)$`).FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("no metric matches %s", series)
	}
	sum := 0.0
	for _, match := range found {
		value, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", series, err)
		}
		sum += value
	}
	return sum, nil
}
