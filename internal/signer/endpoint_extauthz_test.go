// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	envoycore "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// check returns what Envoy sends for a request: the pseudo headers are in the map,
// query and fragment are always empty.
func check(slot, method, path string, how ...func(*envoyauth.AttributeContext_HttpRequest)) *envoyauth.CheckRequest {
	request := &envoyauth.AttributeContext_HttpRequest{
		Method: method, Path: path, Host: host, Size: -1, Protocol: "HTTP/1.1",
		Headers: map[string]string{":path": path, ":method": method, ":authority": host, "authorization": "Bearer x"},
	}
	for _, change := range how {
		change(request)
	}
	return &envoyauth.CheckRequest{Attributes: &envoyauth.AttributeContext{
		ContextExtensions: map[string]string{"slot": slot},
		Request:           &envoyauth.AttributeContext_Request{Http: request},
	}}
}

// applied returns the request's headers after Envoy has applied the response, or
// the status that the client gets.
func applied(t *testing.T, response *envoyauth.CheckResponse, header http.Header) (http.Header, int) {
	t.Helper()
	if response.GetStatus().GetCode() != int32(codes.OK) {
		denied := response.GetDeniedResponse()
		if denied == nil || len(denied.GetHeaders()) > 0 {
			t.Fatalf("denied with headers: %v", denied)
		}
		return nil, int(denied.GetStatus().GetCode())
	}
	if header == nil {
		header = http.Header{}
	}
	set := 0
	for _, option := range response.GetOkResponse().GetHeaders() {
		if option.GetAppendAction() != envoycore.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Fatalf("%s would be appended", option.GetHeader().GetKey())
		}
		header.Set(option.GetHeader().GetKey(), option.GetHeader().GetValue())
		set++
	}
	if set != 3 {
		t.Fatalf("%d headers", set)
	}
	return header, http.StatusOK
}

func TestExtAuthzSigns(t *testing.T) {
	f := newFixture(t, func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.SignedHeaders = []string{"content-type", "x-raw"}
	})
	endpoint := f.signer.ExtAuthz(true)
	for name, how := range map[string]func(*envoyauth.AttributeContext_HttpRequest){
		"as a map": func(request *envoyauth.AttributeContext_HttpRequest) {
			request.Headers["content-type"], request.Headers["x-raw"] = "text/plain", "a"
		},
		"one by one": func(request *envoyauth.AttributeContext_HttpRequest) {
			request.Headers = nil
			request.HeaderMap = &envoycore.HeaderMap{Headers: []*envoycore.HeaderValue{
				{Key: ":path", RawValue: []byte("/x")}, {Key: "content-type", RawValue: []byte("text/plain")}, {Key: "x-raw", Value: "a"},
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := endpoint.Check(t.Context(), check(slotPath, "POST", "/v1/items?b=2", how))
			if err != nil {
				t.Fatal(err)
			}
			header, status := applied(t, response, http.Header{"Content-Type": {"text/plain"}, "X-Raw": {"a"}, "Authorization": {"Bearer x"}})
			if status != http.StatusOK {
				t.Fatal(status)
			}
			f.expectVerified(&signature.Request{Method: "POST", Target: "/v1/items?b=2", Host: host, Header: header},
				signature.VerifierOptions{AllowUnsignedPayload: true, RequiredHeaders: []string{"content-type", "x-raw"}})
		})
	}
}

func TestExtAuthzSignsTheBackendHost(t *testing.T) {
	f := newFixture(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.BackendHost = "orders.internal" })
	response, _ := f.signer.ExtAuthz(true).Check(t.Context(), check(slotPath, "GET", "/x"))
	header, _ := applied(t, response, nil)
	f.expectVerified(&signature.Request{Method: "GET", Target: "/x", Host: "orders.internal", Header: header}, unsigned)
}

func TestExtAuthzRequiresTheWholeBody(t *testing.T) {
	f := newFixture(t, signedPayload)
	for name, tc := range map[string]struct {
		how  func(*envoyauth.AttributeContext_HttpRequest)
		want int
	}{
		"whole": {func(request *envoyauth.AttributeContext_HttpRequest) {
			request.RawBody, request.Size = []byte("abc"), 3
		}, 200},
		"whole, size unknown": {func(request *envoyauth.AttributeContext_HttpRequest) { request.RawBody = []byte("abc") }, 200},
		"none":                {func(*envoyauth.AttributeContext_HttpRequest) {}, 200},
		"missing":             {func(request *envoyauth.AttributeContext_HttpRequest) { request.Size = 3 }, 400},
		"truncated":           {func(request *envoyauth.AttributeContext_HttpRequest) { request.RawBody, request.Size = []byte("ab"), 3 }, 400},
		"shorter than Content-Length": {func(request *envoyauth.AttributeContext_HttpRequest) {
			request.RawBody, request.Headers["content-length"] = []byte("ab"), "3"
		}, 400},
		"partial": {func(request *envoyauth.AttributeContext_HttpRequest) {
			request.RawBody, request.Headers["x-envoy-auth-partial-body"] = []byte("abc"), "true"
		}, 413},
		"as text": {func(request *envoyauth.AttributeContext_HttpRequest) { request.Body = "abc" }, 400},
		"too large": {func(request *envoyauth.AttributeContext_HttpRequest) {
			request.RawBody = make([]byte, testLimits().MaxBody+1)
		}, 413},
	} {
		t.Run(name, func(t *testing.T) {
			request := check(slotPath, "POST", "/x", tc.how)
			response, err := f.signer.ExtAuthz(true).Check(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			header, status := applied(t, response, nil)
			if status != tc.want {
				t.Fatalf("status %d, want %d", status, tc.want)
			}
			if status == http.StatusOK {
				body := request.GetAttributes().GetRequest().GetHttp().GetRawBody()
				f.expectVerified(&signature.Request{Method: "POST", Target: "/x", Host: host, Header: header, Payload: signature.Digest(body)}, signature.VerifierOptions{})
			}
		})
	}
}

// With failure_mode_allow, Envoy forwards a request after an error.
func TestExtAuthzNeverReturnsAnError(t *testing.T) {
	f := newFixture(t)
	endpoint := f.signer.ExtAuthz(true)
	for name, tc := range map[string]struct {
		request *envoyauth.CheckRequest
		want    int
	}{
		"nothing":       {nil, 404},
		"no attributes": {&envoyauth.CheckRequest{}, 404},
		"no slot":       {check("", "GET", "/x"), 404},
		"not a slot":    {check("team-a/RELEASE/API/orders/x", "GET", "/x"), 404},
		"leading slash": {check("/"+slotPath, "GET", "/x"), 404},
		"unknown slot":  {check("team-a/RELEASE/API/payments", "GET", "/x"), 503},
		"no method":     {check(slotPath, "", "/x"), 400},
		"no path":       {check(slotPath, "GET", ""), 400},
		"no HTTP":       {&envoyauth.CheckRequest{Attributes: &envoyauth.AttributeContext{ContextExtensions: map[string]string{"slot": slotPath}}}, 400},
	} {
		response, err := endpoint.Check(t.Context(), tc.request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, status := applied(t, response, nil); status != tc.want {
			t.Errorf("%s: status %d, want %d", name, status, tc.want)
		}
	}
	f.signer.store = nil // panics
	response, err := endpoint.Check(t.Context(), check(slotPath, "GET", "/x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, status := applied(t, response, nil); status != http.StatusInternalServerError {
		t.Errorf("panic: %d", status)
	}
	if strings.Contains(f.log.String(), string(f.set.Active.Secret)) {
		t.Error("the log contains the secret")
	}
}

// serveGRPC serves ext_authz with TLS.
func (f *fixture) serveGRPC(keys *testPKI) (address string, certs *certificates) {
	f.t.Helper()
	endpoint := f.signer.ExtAuthz(false)
	f.callQuota = endpoint.quota
	certs, err := newCertificates(keys.files(), f.signer.metrics, time.Now, f.logger())
	if err != nil {
		f.t.Fatal(err)
	}
	opened, err := listen(f.t.Context(), "ext_authz", "127.0.0.1:0", true)
	if err != nil {
		f.t.Fatal(err)
	}
	opened = f.signer.limitConnections(endpointExtAuthz, opened, true)
	served := grpcListener("ext_authz", opened, endpoint.register(grpcServer(f.signer.limits, certs)))
	go func() { _ = served.serve(opened) }()
	f.t.Cleanup(func() {
		now, stop := context.WithCancel(context.Background())
		stop()
		_ = served.stop(now)
	})
	return opened.Addr().String(), certs
}

func TestExtAuthzOverTLS(t *testing.T) {
	f, keys := newFixture(t), newPKI(t)
	address, _ := f.serveGRPC(keys)
	call := func(transport credentials.TransportCredentials, request *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close() //nolint:errcheck // used for one call
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return envoyauth.NewAuthorizationClient(connection).Check(ctx, request)
	}
	for uri, want := range map[string]int{
		"signet://sign/team-a": 200, "signet://sign/*": 200, "signet://sign/team-b": 403, "signet://verify/team-a": 403,
	} {
		response, err := call(credentials.NewTLS(keys.client(uri)), check(slotPath, "GET", "/x"))
		if err != nil {
			t.Fatal(uri, err)
		}
		if _, status := applied(t, response, nil); status != want {
			t.Errorf("%s: %d", uri, status)
		}
	}
	untrusted := newPKI(t).client("signet://sign/*")
	untrusted.RootCAs = keys.pool
	for name, transport := range map[string]credentials.TransportCredentials{
		"plain text": insecure.NewCredentials(), "no certificate": credentials.NewTLS(&tls.Config{RootCAs: keys.pool}),
		"other authority": credentials.NewTLS(untrusted),
	} {
		if response, err := call(transport, check(slotPath, "GET", "/x")); err == nil {
			t.Errorf("%s: %v", name, response)
		} else if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
