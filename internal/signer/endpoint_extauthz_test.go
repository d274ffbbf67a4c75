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

// check is what Envoy sends for a request: the pseudo headers are in the map,
// query and fragment are always empty.
func check(slot, method, path string, how ...func(*envoyauth.AttributeContext_HttpRequest)) *envoyauth.CheckRequest {
	asked := &envoyauth.AttributeContext_HttpRequest{
		Method: method, Path: path, Host: host, Size: -1, Protocol: "HTTP/1.1",
		Headers: map[string]string{":path": path, ":method": method, ":authority": host, "authorization": "Bearer x"},
	}
	for _, change := range how {
		change(asked)
	}
	return &envoyauth.CheckRequest{Attributes: &envoyauth.AttributeContext{
		ContextExtensions: map[string]string{"slot": slot},
		Request:           &envoyauth.AttributeContext_Request{Http: asked},
	}}
}

// applied is the request's headers after Envoy has dealt with the answer, or the
// status that the client gets.
func applied(t *testing.T, answer *envoyauth.CheckResponse, header http.Header) (http.Header, int) {
	t.Helper()
	if answer.GetStatus().GetCode() != int32(codes.OK) {
		denied := answer.GetDeniedResponse()
		if denied == nil || len(denied.GetHeaders()) > 0 {
			t.Fatalf("a refusal with %v", denied)
		}
		return nil, int(denied.GetStatus().GetCode())
	}
	if header == nil {
		header = http.Header{}
	}
	set := 0
	for _, option := range answer.GetOkResponse().GetHeaders() {
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
	b := newBench(t, func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.SignedHeaders = []string{"content-type", "x-raw"}
	})
	face := b.signer.ExtAuthz(true)
	for name, how := range map[string]func(*envoyauth.AttributeContext_HttpRequest){
		"as a map": func(asked *envoyauth.AttributeContext_HttpRequest) {
			asked.Headers["content-type"], asked.Headers["x-raw"] = "text/plain", "a"
		},
		"one by one": func(asked *envoyauth.AttributeContext_HttpRequest) {
			asked.Headers = nil
			asked.HeaderMap = &envoycore.HeaderMap{Headers: []*envoycore.HeaderValue{
				{Key: ":path", RawValue: []byte("/x")}, {Key: "content-type", RawValue: []byte("text/plain")}, {Key: "x-raw", Value: "a"},
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := face.Check(t.Context(), check(slotPath, "POST", "/v1/items?b=2", how))
			if err != nil {
				t.Fatal(err)
			}
			header, status := applied(t, answer, http.Header{"Content-Type": {"text/plain"}, "X-Raw": {"a"}, "Authorization": {"Bearer x"}})
			if status != http.StatusOK {
				t.Fatal(status)
			}
			b.verifies(&signature.Request{Method: "POST", Target: "/v1/items?b=2", Host: host, Header: header},
				signature.VerifierOptions{AllowUnsignedPayload: true, RequiredHeaders: []string{"content-type", "x-raw"}})
		})
	}
}

func TestExtAuthzHostOfTheBinding(t *testing.T) {
	b := newBench(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.BackendHost = "orders.internal" })
	answer, _ := b.signer.ExtAuthz(true).Check(t.Context(), check(slotPath, "GET", "/x"))
	header, _ := applied(t, answer, nil)
	b.verifies(&signature.Request{Method: "GET", Target: "/x", Host: "orders.internal", Header: header}, unsigned)
}

func TestExtAuthzWantsTheWholeBody(t *testing.T) {
	b := newBench(t, signedPayload)
	for name, tc := range map[string]struct {
		how  func(*envoyauth.AttributeContext_HttpRequest)
		want int
	}{
		"whole":               {func(asked *envoyauth.AttributeContext_HttpRequest) { asked.RawBody, asked.Size = []byte("abc"), 3 }, 200},
		"whole, size unknown": {func(asked *envoyauth.AttributeContext_HttpRequest) { asked.RawBody = []byte("abc") }, 200},
		"none":                {func(*envoyauth.AttributeContext_HttpRequest) {}, 200},
		"not handed over":     {func(asked *envoyauth.AttributeContext_HttpRequest) { asked.Size = 3 }, 400},
		"cut off":             {func(asked *envoyauth.AttributeContext_HttpRequest) { asked.RawBody, asked.Size = []byte("ab"), 3 }, 400},
		"less than announced": {func(asked *envoyauth.AttributeContext_HttpRequest) {
			asked.RawBody, asked.Headers["content-length"] = []byte("ab"), "3"
		}, 400},
		"a part": {func(asked *envoyauth.AttributeContext_HttpRequest) {
			asked.RawBody, asked.Headers["x-envoy-auth-partial-body"] = []byte("abc"), "true"
		}, 413},
		"as text": {func(asked *envoyauth.AttributeContext_HttpRequest) { asked.Body = "abc" }, 400},
		"too large": {func(asked *envoyauth.AttributeContext_HttpRequest) {
			asked.RawBody = make([]byte, testLimits().MaxBody+1)
		}, 413},
	} {
		t.Run(name, func(t *testing.T) {
			request := check(slotPath, "POST", "/x", tc.how)
			answer, err := b.signer.ExtAuthz(true).Check(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			header, status := applied(t, answer, nil)
			if status != tc.want {
				t.Fatalf("status %d, want %d", status, tc.want)
			}
			if status == http.StatusOK {
				body := request.GetAttributes().GetRequest().GetHttp().GetRawBody()
				b.verifies(&signature.Request{Method: "POST", Target: "/x", Host: host, Header: header, Payload: signature.Digest(body)}, signature.VerifierOptions{})
			}
		})
	}
}

// With failure_mode_allow Envoy lets requests pass for which it got an error.
func TestExtAuthzRefusesWithoutAnError(t *testing.T) {
	b := newBench(t)
	face := b.signer.ExtAuthz(true)
	for name, tc := range map[string]struct {
		request *envoyauth.CheckRequest
		want    int
	}{
		"nothing":        {nil, 404},
		"no attributes":  {&envoyauth.CheckRequest{}, 404},
		"no slot":        {check("", "GET", "/x"), 404},
		"no slot's name": {check("team-a/RELEASE/API/orders/x", "GET", "/x"), 404},
		"a slash first":  {check("/"+slotPath, "GET", "/x"), 404},
		"unknown slot":   {check("team-a/RELEASE/API/payments", "GET", "/x"), 503},
		"no method":      {check(slotPath, "", "/x"), 400},
		"no path":        {check(slotPath, "GET", ""), 400},
		"no HTTP":        {&envoyauth.CheckRequest{Attributes: &envoyauth.AttributeContext{ContextExtensions: map[string]string{"slot": slotPath}}}, 400},
	} {
		answer, err := face.Check(t.Context(), tc.request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, status := applied(t, answer, nil); status != tc.want {
			t.Errorf("%s: status %d, want %d", name, status, tc.want)
		}
	}
	b.signer.store = nil // whatever breaks
	answer, err := face.Check(t.Context(), check(slotPath, "GET", "/x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, status := applied(t, answer, nil); status != http.StatusInternalServerError {
		t.Errorf("broken: %d", status)
	}
	if strings.Contains(b.log.String(), string(b.set.Active.Secret)) {
		t.Error("the log has the secret")
	}
}

// secureGRPC serves ext_authz with TLS from files.
func (b *bench) secureGRPC(keys *testPKI) (address string, followed *certificates) {
	b.t.Helper()
	face := b.signer.ExtAuthz(false)
	b.calls = face.calls
	followed, err := newCertificates(keys.files(), b.signer.metrics, b.logger())
	if err != nil {
		b.t.Fatal(err)
	}
	opened, err := listen("ext_authz", "127.0.0.1:0", true)
	if err != nil {
		b.t.Fatal(err)
	}
	opened = b.signer.bounded(faceExtAuthz, opened, true)
	served := grpcListener("ext_authz", opened, face, b.signer.limits, followed)
	go func() { _ = served.serve(opened) }()
	b.t.Cleanup(func() {
		now, stop := context.WithCancel(context.Background())
		stop()
		_ = served.stop(now)
	})
	return opened.Addr().String(), followed
}

func TestExtAuthzOverTLS(t *testing.T) {
	b, keys := newBench(t), newPKI(t)
	address, _ := b.secureGRPC(keys)
	ask := func(transport credentials.TransportCredentials, request *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport))
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close() //nolint:errcheck // only asked once
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return envoyauth.NewAuthorizationClient(connection).Check(ctx, request)
	}
	for uri, want := range map[string]int{
		"signet://sign/team-a": 200, "signet://sign/*": 200, "signet://sign/team-b": 403, "signet://verify/team-a": 403,
	} {
		answer, err := ask(credentials.NewTLS(keys.client(uri)), check(slotPath, "GET", "/x"))
		if err != nil {
			t.Fatal(uri, err)
		}
		if _, status := applied(t, answer, nil); status != want {
			t.Errorf("%s: %d", uri, status)
		}
	}
	stranger := newPKI(t).client("signet://sign/*")
	stranger.RootCAs = keys.pool
	for name, transport := range map[string]credentials.TransportCredentials{
		"plain text": insecure.NewCredentials(), "no certificate": credentials.NewTLS(&tls.Config{RootCAs: keys.pool}), //nolint:gosec // defaults of a client
		"another authority": credentials.NewTLS(stranger),
	} {
		if answer, err := ask(transport, check(slotPath, "GET", "/x")); err == nil {
			t.Errorf("%s: %v", name, answer)
		} else if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
