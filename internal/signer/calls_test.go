// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const checkMethod = "/envoy.service.auth.v3.Authorization/Check"

// beginCall begins a call and sends no message.
func beginCall(t *testing.T, connection *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, checkMethod)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// waitForCalls waits until the calls in progress are that many.
func (f *fixture) waitForCalls(t *testing.T, want int) {
	t.Helper()
	proc.Eventually(t, fmt.Sprintf("%d calls in progress", want), func() error {
		f.callQuota.mu.Lock()
		defer f.callQuota.mu.Unlock()
		if got := grpcCalls - f.callQuota.free; got != want {
			return fmt.Errorf("%d calls in progress, want %d", got, want)
		}
		return nil
	})
}

// holdCalls begins as many calls as a single caller may have.
func (f *fixture) holdCalls(t *testing.T, connection *grpc.ClientConn) {
	t.Helper()
	f.waitForCalls(t, 0)
	for range grpcCalls / 2 {
		beginCall(t, connection)
	}
	f.waitForCalls(t, grpcCalls/2)
}

// A caller whose quota of calls is used gets a regular check response, and other
// callers are served.
func TestCallsHaveAQuota(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	f.signer.limits.ReadTimeout = timeout
	address, _ := f.serveGRPC(keys)
	one, other := f.dialGRPC(address, keys.client("signet://sign/team-a", "signet://sign/team-b")), f.dialGRPC(address, keys.client("signet://sign/team-a"))
	if status := checkStatus(t, one); status != http.StatusOK {
		t.Fatalf("first: %d", status)
	}
	f.holdCalls(t, one)
	if status := checkStatus(t, one); status != http.StatusServiceUnavailable {
		t.Errorf("beyond the quota: %d", status)
	}
	if status := checkStatus(t, other); status != http.StatusOK {
		t.Errorf("another caller: %d", status)
	}
}

func TestEndedCallsFreeTheQuota(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	f.signer.limits.ReadTimeout = timeout
	address, _ := f.serveGRPC(keys)
	config := keys.client("signet://sign/team-a")
	one := f.dialGRPC(address, config)
	f.holdCalls(t, one)
	_ = one.Close()
	f.waitForCalls(t, 0)
	if status := checkStatus(t, f.dialGRPC(address, config)); status != http.StatusOK {
		t.Errorf("after its calls have ended: %d", status)
	}
}

func TestCallsWithoutAMessage(t *testing.T) {
	t.Parallel()
	f, keys := newFixture(t), newPKI(t)
	address, _ := f.serveGRPC(keys)
	connection := f.dialGRPC(address, keys.client("signet://sign/team-a"))
	for name, c := range map[string]struct {
		send   func(grpc.ClientStream) error
		want   codes.Code
		result result
	}{
		"nothing until the deadline": {func(grpc.ClientStream) error { return nil }, codes.DeadlineExceeded, resultMalformed},
		"nothing":                    {func(s grpc.ClientStream) error { return s.CloseSend() }, codes.Internal, resultMalformed},
		"too much": {func(s grpc.ClientStream) error {
			request := check(slotPath, "POST", "/x")
			request.Attributes.Request.Http.RawBody = make([]byte, 4*testLimits().MaxBody)
			return s.SendMsg(request)
		}, codes.ResourceExhausted, resultTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			before := counted(t, f, c.result)
			stream := beginCall(t, connection)
			if err := c.send(stream); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(&envoyauth.CheckResponse{}); status.Code(err) != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
			proc.Eventually(t, "the request to be counted", func() error {
				if got := counted(t, f, c.result) - before; got != 1 {
					return fmt.Errorf("%v requests counted as %s", got, c.result)
				}
				return nil
			})
		})
	}
}

// counted returns how many requests to ext_authz ended with the result.
func counted(t *testing.T, f *fixture, want result) float64 {
	t.Helper()
	return testutil.ToFloat64(f.signer.metrics.requests.WithLabelValues(string(endpointExtAuthz), string(want)))
}
