// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const (
	// callerVariable has the callerConfig of a process that sends requests.
	callerVariable = "SIGNER_THROUGHPUT_CALLER"
	// callers is the number of concurrent clients in it, each with its own connection.
	callers = 16
	// callerRequests is the number of requests that each sends when told to.
	callerRequests = 100
)

// callerConfig is what callers need to know.
type callerConfig struct {
	Protocol string
	// CA, Certificate and Key are in PEM.
	CA, Certificate, Key []byte
}

// callerResult is how long the requests took.
type callerResult struct {
	Requests  int
	Took, P99 time.Duration
	Error     string
}

// TestMain sends requests instead of running the tests if it is told to.
func TestMain(m *testing.M) {
	text, calls := os.LookupEnv(callerVariable)
	if !calls {
		m.Run()
		return
	}
	out := json.NewEncoder(os.Stdout)
	if err := serveCallers([]byte(text), os.Stdin, out); err != nil {
		_ = out.Encode(callerResult{Error: err.Error()})
	}
}

// serveCallers sends requests to each address that it reads.
func serveCallers(text []byte, in io.Reader, out *json.Encoder) error {
	var config callerConfig
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(config.Certificate, config.Key)
	if err != nil {
		return err
	}
	secured := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, ServerName: "127.0.0.1"}
	secured.RootCAs.AppendCertsFromPEM(config.CA)
	dial := map[string]func(*tls.Config, string) (func(slot int) error, error){"HTTP": dialHTTP, "gRPC": dialGRPC}[config.Protocol]
	opened, rounds := map[string][]func(int) error{}, map[string]int{}
	addresses := bufio.NewScanner(in)
	for addresses.Scan() {
		address := addresses.Text()
		for len(opened[address]) < callers {
			send, err := dial(secured, address)
			if err != nil {
				return err
			}
			opened[address] = append(opened[address], send)
		}
		result, err := sendAll(opened[address], rounds[address])
		rounds[address]++
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
	return addresses.Err()
}

// slotOf returns the number of the slot of a request. Each request of a round, and of
// the rounds after it, is for another slot until all were requested.
func slotOf(round, caller, request int) int {
	// The step is a prime that visits all slots.
	return ((round*callers+caller)*callerRequests + request) * 7919 % throughputSlots
}

func TestThroughputRequestsAllSlots(t *testing.T) {
	visited := map[int]bool{}
	for round := range rounds {
		for caller := range callers {
			for request := range callerRequests {
				visited[slotOf(round, caller, request)] = true
			}
		}
	}
	if len(visited) != throughputSlots {
		t.Errorf("%d slots", len(visited))
	}
}

// sendAll has all callers send the requests of a round at the same time.
func sendAll(all []func(int) error, round int) (callerResult, error) {
	took := make([][]time.Duration, len(all))
	errs := make([]error, len(all))
	var work sync.WaitGroup
	begin := time.Now()
	for i, send := range all {
		work.Go(func() {
			for request := range callerRequests {
				sent := time.Now()
				if errs[i] = send(slotOf(round, i, request)); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(sent))
			}
		})
	}
	work.Wait()
	result := callerResult{Requests: len(all) * callerRequests, Took: time.Since(begin)}
	each := slices.Concat(took...)
	slices.Sort(each)
	if err := errors.Join(errs...); err != nil {
		return result, err
	}
	result.P99 = each[len(each)*99/100]
	return result, nil
}

// dialHTTP writes requests itself: a client of net/http costs more than the signer.
func dialHTTP(config *tls.Config, address string) (func(int) error, error) {
	conn, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	return func(slot int) error {
		_, err := fmt.Fprintf(conn, "GET /sign/%s/%s/API/%s HTTP/1.1\r\nHost: signer\r\nX-Forwarded-Method: POST\r\n"+
			"X-Forwarded-Uri: /v1/items?b=2&a=1\r\nX-Forwarded-Host: %s\r\nCookie: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n",
			team, environment, throughputSlot(slot), host, strings.Repeat("c", 200))
		if err != nil {
			return err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK || response.Header.Get("Authorization") == "" {
			return fmt.Errorf("status %s", response.Status)
		}
		return nil
	}, nil
}

func dialGRPC(config *tls.Config, address string) (func(int) error, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return nil, err
	}
	client := envoyauth.NewAuthorizationClient(connection)
	return func(slot int) error {
		request := check(team+"/"+environment+"/API/"+throughputSlot(slot), "POST", "/v1/items?b=2&a=1")
		response, err := client.Check(context.Background(), request)
		if err == nil && len(response.GetOkResponse().GetHeaders()) != 3 {
			err = fmt.Errorf("status %s", response.GetStatus())
		}
		return err
	}, nil
}

// callerConfig issues a certificate for the URI.
func (p *testPKI) callerConfig(protocol, uri string) callerConfig {
	p.t.Helper()
	data, err := p.authority.EncodeIssued(&p.client(uri).Certificates[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return callerConfig{Protocol: protocol, CA: data["ca.crt"], Certificate: data["tls.crt"], Key: data["tls.key"]}
}

// throughputListen opens a listener as the signer's.
func (f *fixture) throughputListen(at endpoint) net.Listener {
	f.t.Helper()
	opened, err := listen(f.t.Context(), string(at), "127.0.0.1:0", true)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.signer.limitConnections(at, opened, true)
}

// throughput serves until the benchmark ends.
func (f *fixture) throughput(served *listener) *listener {
	go func() { _ = served.serve(served.Listener) }()
	f.t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = served.stop(ended)
	})
	return served
}
