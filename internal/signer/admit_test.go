package signer

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestCallsAreBounded(t *testing.T) {
	enter := admit(2, time.Hour)
	first, end := context.WithCancel(t.Context())
	for _, ctx := range []context.Context{first, t.Context()} {
		if _, err := enter(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := enter(t.Context(), nil); status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("a third call got %v", err)
	}
	end()
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := enter(t.Context(), nil)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the place of a call that has ended is not free: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCallsHaveTheirTime(t *testing.T) {
	enter := admit(1, 10*time.Millisecond)
	ctx, err := enter(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("a call that sends nothing goes on for ever")
	}
}
