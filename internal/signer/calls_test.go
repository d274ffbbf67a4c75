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
)

const checkMethod = "/envoy.service.auth.v3.Authorization/Check"

// begun is a call that sends no message.
func begun(t *testing.T, connection *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, checkMethod)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// taken waits until so many calls have a place.
func (b *bench) taken(t *testing.T, want int) {
	t.Helper()
	eventually(t, func() error {
		b.calls.mu.Lock()
		defer b.calls.mu.Unlock()
		if got := grpcCalls - b.calls.free; got != want {
			return fmt.Errorf("%d calls have a place, want %d", got, want)
		}
		return nil
	})
}

// holds begins as many calls as a caller alone gets.
func (b *bench) holds(t *testing.T, connection *grpc.ClientConn) {
	t.Helper()
	b.taken(t, 0)
	for range grpcCalls / 2 {
		begun(t, connection)
	}
	b.taken(t, grpcCalls/2)
}

// Who keeps calls waiting is answered with a verdict when its share is used up,
// and everybody else is served.
func TestCallsAreShared(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	b.signer.limits.ReadTimeout = patience
	address, _ := b.secureGRPC(keys)
	one, other := b.dialGRPC(address, keys.client("signet://sign/team-a", "signet://sign/team-b")), b.dialGRPC(address, keys.client("signet://sign/team-a"))
	if status := checked(t, one); status != http.StatusOK {
		t.Fatalf("at first: %d", status)
	}
	b.holds(t, one)
	if status := checked(t, one); status != http.StatusServiceUnavailable {
		t.Errorf("beyond its share: %d", status)
	}
	if status := checked(t, other); status != http.StatusOK {
		t.Errorf("another caller: %d", status)
	}
}

func TestPlacesOfCallsComeBack(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	b.signer.limits.ReadTimeout = patience
	address, _ := b.secureGRPC(keys)
	config := keys.client("signet://sign/team-a")
	one := b.dialGRPC(address, config)
	b.holds(t, one)
	_ = one.Close()
	b.taken(t, 0)
	if status := checked(t, b.dialGRPC(address, config)); status != http.StatusOK {
		t.Errorf("after its calls have ended: %d", status)
	}
}

func TestCallsThatCannotBeRead(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	address, _ := b.secureGRPC(keys)
	connection := b.dialGRPC(address, keys.client("signet://sign/team-a"))
	for name, c := range map[string]struct {
		send   func(grpc.ClientStream) error
		want   codes.Code
		result result
	}{
		"nothing, for too long": {func(grpc.ClientStream) error { return nil }, codes.DeadlineExceeded, resultMalformed},
		"nothing":               {func(s grpc.ClientStream) error { return s.CloseSend() }, codes.Internal, resultMalformed},
		"too much": {func(s grpc.ClientStream) error {
			request := check(slotPath, "POST", "/x")
			request.Attributes.Request.Http.RawBody = make([]byte, 4*testLimits().MaxBody)
			return s.SendMsg(request)
		}, codes.ResourceExhausted, resultTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			before := counted(t, b, c.result)
			stream := begun(t, connection)
			if err := c.send(stream); err != nil {
				t.Fatal(err)
			}
			if err := stream.RecvMsg(&envoyauth.CheckResponse{}); status.Code(err) != c.want {
				t.Errorf("answered %v, want %s", err, c.want)
			}
			eventually(t, func() error {
				if got := counted(t, b, c.result) - before; got != 1 {
					return fmt.Errorf("%v requests are counted as %s", got, c.result)
				}
				return nil
			})
		})
	}
}

// counted is how many requests to ext_authz have ended like that.
func counted(t *testing.T, b *bench, ended result) float64 {
	t.Helper()
	return testutil.ToFloat64(b.signer.metrics.requests.WithLabelValues(string(faceExtAuthz), string(ended)))
}
