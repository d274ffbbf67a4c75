// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrNotLeading is returned instead of a write by a client whose process no longer
// holds the lease. Such a process is shutting down, and the next leader decides
// again.
var ErrNotLeading = errors.New("lease expired: write skipped")

// WhileLeading returns a client that reads like c and writes only while leading is
// true, which it calls immediately before each request. A process that was stopped
// beyond its lease sends nothing that it decided on before.
func WhileLeading(c client.Client, leading func() bool) client.Client {
	return &leadingClient{Client: c, leading: leading}
}

type leadingClient struct {
	client.Client
	leading func() bool
}

func (c *leadingClient) check() error {
	if c.leading() {
		return nil
	}
	return ErrNotLeading
}

func (c *leadingClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.Create(ctx, object, options...)
}

func (c *leadingClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.Update(ctx, object, options...)
}

func (c *leadingClient) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.Patch(ctx, object, patch, options...)
}

func (c *leadingClient) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.Apply(ctx, object, options...)
}

func (c *leadingClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.Delete(ctx, object, options...)
}

func (c *leadingClient) DeleteAllOf(ctx context.Context, object client.Object, options ...client.DeleteAllOfOption) error {
	if err := c.check(); err != nil {
		return err
	}
	return c.Client.DeleteAllOf(ctx, object, options...)
}

func (c *leadingClient) Status() client.SubResourceWriter {
	return &leadingStatus{SubResourceWriter: c.Client.Status(), check: c.check}
}

// leadingStatus covers the writes that a controller makes to a status: a status is
// never created.
type leadingStatus struct {
	client.SubResourceWriter
	check func() error
}

func (s *leadingStatus) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.SubResourceWriter.Update(ctx, object, options...)
}

func (s *leadingStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.SubResourceWriter.Patch(ctx, object, patch, options...)
}

func (s *leadingStatus) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.SubResourceWriter.Apply(ctx, object, options...)
}
