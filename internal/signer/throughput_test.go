// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	envoycore "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
)

const (
	// throughputSlots are requested in turn, so that a slot is seldom in a cache.
	throughputSlots = 10_000
	// rounds is how often each of the two servers is measured.
	rounds = 40
)

func throughputSlot(i int) string { return fmt.Sprintf("api-%d", i) }

// BenchmarkThroughput measures the signer as gateways see it: over TLS, with callers in
// a process of their own, which take turns with a server of the same kind that responds
// without signing. Budget: with 10,000 slots, at least 0.85 (HTTP) and 0.9 (gRPC) of the
// rate without signing.
func BenchmarkThroughput(b *testing.B) {
	f, keys := newFixture(b), newPKI(b)
	for i := range throughputSlots {
		f.add(throughputSlot(i), f.keySpec())
	}
	certs, err := newCertificates(keys.files(), f.signer.metrics, time.Now, f.logger())
	if err != nil {
		b.Fatal(err)
	}
	empty := grpcServer(f.signer.limits, certs)
	empty.RegisterService(&envoyauth.Authorization_ServiceDesc, unsignedService{})
	for _, protocol := range []struct {
		name string
		// servers are the signer and the other one.
		servers [2]*listener
	}{
		{"HTTP", [2]*listener{
			f.throughputHTTP(f.signer.SignHandler(false), certs), f.throughputHTTP(http.HandlerFunc(unsignedResponse), certs),
		}},
		{"gRPC", [2]*listener{
			f.throughputGRPC(f.signer.ExtAuthz(false).register(grpcServer(f.signer.limits, certs))), f.throughputGRPC(empty),
		}},
	} {
		b.Run(protocol.name, func(b *testing.B) {
			callers := startCallers(b, protocol.name, keys)
			for b.Loop() {
				compare(b, callers, protocol.servers)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// compare reports the medians of all rounds.
func compare(b *testing.B, callers *callerProcess, servers [2]*listener) {
	b.Helper()
	var rates, cpu, p99 [2][]float64
	ratios := make([]float64, 0, rounds)
	for round := range rounds + 1 {
		for turn := range servers {
			which := (turn + round) % 2
			before := processorTime(b)
			result := callers.send(servers[which].Addr().String())
			used := processorTime(b) - before
			if round == 0 {
				continue // connections are opened
			}
			rates[which] = append(rates[which], float64(result.Requests)/result.Took.Seconds())
			cpu[which] = append(cpu[which], float64(used.Microseconds())/float64(result.Requests))
			p99[which] = append(p99[which], float64(result.P99.Microseconds())/1000)
		}
		if round > 0 {
			ratios = append(ratios, rates[0][round-1]/rates[1][round-1])
		}
	}
	b.ReportMetric(median(ratios), "of-empty")
	for i, name := range []string{"signed", "empty"} {
		b.ReportMetric(median(rates[i]), name+"/s")
		b.ReportMetric(median(cpu[i]), name+"-cpu-µs")
		b.ReportMetric(median(p99[i]), name+"-p99-ms")
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// processorTime is what this process has used, without the callers.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (f *fixture) throughputHTTP(handler http.Handler, certs *certificates) *listener {
	f.t.Helper()
	return f.throughput(httpListener("sign", f.throughputListen(endpointSign), httpServer(handler, f.signer.limits, certs, f.logger())))
}

func (f *fixture) throughputGRPC(server *grpc.Server) *listener {
	f.t.Helper()
	return f.throughput(grpcListener("ext_authz", f.throughputListen(endpointExtAuthz), server))
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

// callerProcess is this binary again, as TestMain runs it.
type callerProcess struct {
	b    *testing.B
	to   io.Writer
	from *json.Decoder
}

func startCallers(b *testing.B, protocol string, keys *testPKI) *callerProcess {
	b.Helper()
	config, err := json.Marshal(keys.callerConfig(protocol, "signet://sign/"+team))
	if err != nil {
		b.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), binary)
	command.Env = append(os.Environ(), callerVariable+"="+string(config))
	command.Stderr = os.Stderr
	to, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	from, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = to.Close()
		_ = command.Wait()
	})
	return &callerProcess{b: b, to: to, from: json.NewDecoder(from)}
}

// send has the callers send their requests to a server.
func (p *callerProcess) send(address string) callerResult {
	p.b.Helper()
	if _, err := fmt.Fprintln(p.to, address); err != nil {
		p.b.Fatal(err)
	}
	var result callerResult
	if err := p.from.Decode(&result); err != nil {
		p.b.Fatal(err)
	}
	if result.Error != "" {
		p.b.Fatal(result.Error)
	}
	return result
}
