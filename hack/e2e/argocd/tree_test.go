// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// node is one of the resource tree that Argo CD shows: what is in Git, and the
// children that it found.
type node struct {
	Kind, Name string
	ParentRefs []struct{ Kind, Name string }
	Health     *health
}

// tree reads what Argo CD's user interface reads; it is nowhere but in redis.
func (a *application) tree(ctx context.Context) ([]node, error) {
	redis := func(args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, "redis-cli", append([]string{"-p", a.redisPort, "--raw"}, args...)...).Output()
	}
	names, err := redis("--scan", "--pattern", "app|resources-tree|"+a.name+"|*")
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(string(names), "\n")
	packed, err := redis("GET", name)
	if err != nil {
		return nil, err
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack %q: %w", name, err)
	}
	// redis-cli ends its output with a newline, which is no second stream.
	reader.Multistream(false)
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("unpack %q: %w", name, err)
	}
	var tree struct{ Nodes []node }
	return tree.Nodes, json.Unmarshal(text, &tree)
}

// expectNode waits until the resource tree has the object as it is wanted.
func (a *application) expectNode(t *testing.T, kind, name string, wanted func(node) error) {
	t.Helper()
	proc.EventuallyLong(t, kind+" "+name+" in the resource tree", func() error {
		nodes, err := a.tree(t.Context())
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Kind == kind && n.Name == name {
				return wanted(n)
			}
		}
		return fmt.Errorf("it is not among %v", nodes)
	})
}

// expectHealth waits for the health of a resource and for a part of its message.
func (a *application) expectHealth(t *testing.T, kind, name, status, message string) {
	t.Helper()
	a.expectNode(t, kind, name, func(n node) error {
		if n.Health == nil || n.Health.Status != status || !strings.Contains(n.Health.Message, message) {
			return fmt.Errorf("its health is %+v", n.Health)
		}
		return nil
	})
}

// expectChild waits until the managed Secret is shown as a child of its key.
func (a *application) expectChild(t *testing.T, key string) {
	t.Helper()
	a.expectNode(t, "Secret", key, func(n node) error {
		if len(n.ParentRefs) != 1 || n.ParentRefs[0].Kind != "SignatureKey" || n.ParentRefs[0].Name != key {
			return fmt.Errorf("its parents are %v", n.ParentRefs)
		}
		return nil
	})
}
