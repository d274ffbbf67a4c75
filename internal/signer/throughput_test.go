// SPDX-License-Identifier: Apache-2.0

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

// callers is the number of concurrent clients, each with its own connection.
const callers = 16

// BenchmarkThroughput measures the signer on loopback, in turn with a server of
// the same kind that responds without signing. Budget: signing costs at most 15%
// of the requests per second without it.
func BenchmarkThroughput(b *testing.B) {
	fixture := newFixture(b)
	for name, send := range map[string][2]func(){
		"HTTP": {fixture.httpCaller(fixture.signer.SignHandler(true)), fixture.httpCaller(http.HandlerFunc(unsignedResponse))},
		"gRPC": {fixture.grpcCaller(&extAuthzService, fixture.signer.ExtAuthz(true)), fixture.grpcCaller(&envoyauth.Authorization_ServiceDesc, unsignedService{})},
	} {
		b.Run(name, func(b *testing.B) {
			var signing, empty []time.Duration
			var forSigning, forEmpty time.Duration
			for b.Loop() {
				forSigning += measure(send[0], &signing)
				forEmpty += measure(send[1], &empty)
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

// measure lets all callers send requests and records how long each took.
func measure(send func(), took *[]time.Duration) time.Duration {
	const each = 200
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now()
	for range callers {
		all.Go(func() {
			own := make([]time.Duration, each)
			for i := range own {
				sent := time.Now()
				send()
				own[i] = time.Since(sent)
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

// unsignedResponse sets the three headers to constants.
func unsignedResponse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Authorization", strings.Repeat("a", 180))
	w.Header().Set("X-Sdk-Date", "20260101T000000Z")
	w.Header().Set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")
}

type unsignedService struct {
	envoyauth.UnimplementedAuthorizationServer
}

func (unsignedService) Check(context.Context, *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
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

// httpCaller serves the handler and returns a function that calls it.
func (f *fixture) httpCaller(handler http.Handler) func() {
	f.t.Helper()
	address := f.serve(handler)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	f.t.Cleanup(client.CloseIdleConnections)
	return func() {
		request, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, "http://"+address+"/sign/"+slotPath, http.NoBody)
		if err != nil {
			f.t.Error(err)
			return
		}
		request.Header = http.Header{
			headerMethod: {"POST"}, headerURI: {"/v1/items?b=2&a=1"}, headerHost: {host},
			"Cookie": {strings.Repeat("c", 200)}, "User-Agent": {"bench"}, "Accept": {"*/*"},
		}
		response, err := client.Do(request)
		if err != nil {
			f.t.Error(err)
			return
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Header.Get("Authorization") == "" {
			f.t.Errorf("status %s", response.Status)
		}
	}
}

// grpcCaller serves the service and returns a function that calls it.
func (f *fixture) grpcCaller(description *grpc.ServiceDesc, service envoyauth.AuthorizationServer) func() {
	f.t.Helper()
	opened, err := (&net.ListenConfig{}).Listen(f.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(description, service)
	go func() { _ = server.Serve(opened) }()
	f.t.Cleanup(server.Stop)
	connection, err := grpc.NewClient(opened.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = connection.Close() })
	client := envoyauth.NewAuthorizationClient(connection)
	return func() {
		response, err := client.Check(context.Background(), check(slotPath, "POST", "/v1/items?b=2&a=1"))
		if err != nil || len(response.GetOkResponse().GetHeaders()) != 3 {
			f.t.Errorf("response %v, %v", response, err)
		}
	}
}
