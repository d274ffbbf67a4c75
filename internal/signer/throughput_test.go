package signer

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	envoycore "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// callers is how many clients ask at a time, each over a connection of its own.
const callers = 16

// BenchmarkThroughput asks the signer on loopback, in turn with a server of the
// same kind that answers without signing. Budget: signing costs at most 15% of
// the requests per second of the empty answer.
func BenchmarkThroughput(b *testing.B) {
	bench := newBench(b)
	for name, ask := range map[string][2]func(){
		"HTTP": {bench.overHTTP(bench.signer.SignHandler(true)), bench.overHTTP(http.HandlerFunc(emptyAnswer))},
		"gRPC": {bench.overGRPC(&extAuthzService, bench.signer.ExtAuthz(true)), bench.overGRPC(&envoyauth.Authorization_ServiceDesc, emptyFace{})},
	} {
		b.Run(name, func(b *testing.B) {
			var signing, empty []time.Duration
			var forSigning, forEmpty time.Duration
			for b.Loop() {
				forSigning += pressed(ask[0], &signing)
				forEmpty += pressed(ask[1], &empty)
			}
			signed, unsigned := float64(len(signing))/forSigning.Seconds(), float64(len(empty))/forEmpty.Seconds()
			b.ReportMetric(signed, "signed/s")
			b.ReportMetric(unsigned, "empty/s")
			b.ReportMetric(100*(1-signed/unsigned), "%cost")
			b.ReportMetric(p99(signing), "signed-p99-ms")
			b.ReportMetric(p99(empty), "empty-p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// pressed has all callers ask for a while, and notes how long each answer took.
func pressed(ask func(), took *[]time.Duration) time.Duration {
	const each = 200
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			own := make([]time.Duration, each)
			for i := range own {
				asked := time.Now()
				ask()
				own[i] = time.Since(asked)
			}
			mu.Lock()
			*took = append(*took, own...)
			mu.Unlock()
		})
	}
	all.Wait()
	return time.Since(begin)
}

func p99(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000
}

// emptyAnswer has the three headers, of which none was computed.
func emptyAnswer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Authorization", strings.Repeat("a", 180))
	w.Header().Set("X-Sdk-Date", "20260101T000000Z")
	w.Header().Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")
}

type emptyFace struct {
	envoyauth.UnimplementedAuthorizationServer
}

func (emptyFace) Check(context.Context, *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
	var headers []*envoycore.HeaderValueOption
	for name, value := range map[string]string{
		"authorization": strings.Repeat("a", 180), "x-sdk-date": "20260101T000000Z", "x-sdk-content-sha256": "UNSIGNED-PAYLOAD",
	} {
		headers = append(headers, &envoycore.HeaderValueOption{
			Header:       &envoycore.HeaderValue{Key: name, Value: value},
			AppendAction: envoycore.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return &envoyauth.CheckResponse{HttpResponse: &envoyauth.CheckResponse_OkResponse{OkResponse: &envoyauth.OkHttpResponse{Headers: headers}}}, nil
}

// overHTTP serves the handler and returns what asks it.
func (b *bench) overHTTP(handler http.Handler) func() {
	b.t.Helper()
	address := b.serve(handler)
	asking := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	b.t.Cleanup(asking.CloseIdleConnections)
	return func() {
		request, err := http.NewRequest(http.MethodGet, "http://"+address+"/sign/"+slotPath, http.NoBody)
		if err != nil {
			b.t.Error(err)
			return
		}
		request.Header = http.Header{
			headerMethod: {"POST"}, headerURI: {"/v1/items?b=2&a=1"}, headerHost: {host},
			"Cookie": {strings.Repeat("c", 200)}, "User-Agent": {"bench"}, "Accept": {"*/*"},
		}
		response, err := asking.Do(request)
		if err != nil {
			b.t.Error(err)
			return
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Header.Get("Authorization") == "" {
			b.t.Errorf("answered %s", response.Status)
		}
	}
}

// overGRPC serves the face and returns what asks it.
func (b *bench) overGRPC(service *grpc.ServiceDesc, face envoyauth.AuthorizationServer) func() {
	b.t.Helper()
	opened, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(service, face)
	go func() { _ = server.Serve(opened) }()
	b.t.Cleanup(server.Stop)
	connection, err := grpc.NewClient(opened.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = connection.Close() })
	asking := envoyauth.NewAuthorizationClient(connection)
	return func() {
		answer, err := asking.Check(context.Background(), check(slotPath, "POST", "/v1/items?b=2&a=1"))
		if err != nil || len(answer.GetOkResponse().GetHeaders()) != 3 {
			b.t.Errorf("answered %v, %v", answer, err)
		}
	}
}
