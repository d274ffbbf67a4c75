// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestSignsTheForwardedRequest(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.SignHandler(true))
	for _, tc := range []struct{ method, uri string }{
		{"GET", "/"}, {"POST", "/v1/items?b=2&a=1&a="}, {"DELETE", "/a%2Fb/%C3%A9//x/../y?q=%41+c"}, {"PATCH", "/items?"},
		{"OPTIONS", "/x?a"}, {"QUERY", "/../sign/team-b/RELEASE/API/orders"},
	} {
		for _, query := range []string{"", "?b=2&a=1"} { // Caddy appends the query of the client
			response := sendRaw(t, address, forwardedRequest("/sign/"+slotPath+query, tc.method, tc.uri, host, "Authorization: Bearer x", "X-Sdk-Date: 20000101T000000Z"))
			if response.StatusCode != http.StatusOK {
				t.Fatalf("%s %s: %s", tc.method, tc.uri, response.Status)
			}
			f.expectVerified(&signature.Request{Method: tc.method, Target: tc.uri, Host: host, Header: response.Header}, unsigned)
			if got := response.Header.Get("X-Sdk-Content-Sha256"); got != signature.UnsignedPayload {
				t.Errorf("payload %s", got)
			}
		}
	}
}

func TestEveryTypeSetsThreeHeaders(t *testing.T) {
	for _, spec := range []signetv1alpha1.SignatureKeySpec{
		{Type: signetv1alpha1.KeyTypeHMAC}, {Type: signetv1alpha1.KeyTypeBasic}, {Type: signetv1alpha1.KeyTypePublicKey},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES128CFB},
		{Type: signetv1alpha1.KeyTypeAES, Algorithm: signetv1alpha1.AlgorithmAES256CFB},
	} {
		f := newFixture(t)
		f.add("orders", spec)
		response := sendRaw(t, f.serve(f.signer.SignHandler(true)), forwardedRequest("/sign/"+slotPath, "GET", "/x", host))
		for _, name := range signatureHeaders {
			if len(response.Header.Values(name)) != 1 {
				t.Errorf("%s %s: %s is %q", spec.Type, spec.Algorithm, name, response.Header.Values(name))
			}
		}
		f.expectVerified(&signature.Request{Method: "GET", Target: "/x", Host: host, Header: response.Header}, unsigned)
	}
}

func TestPolicyOfTheBinding(t *testing.T) {
	f := newFixture(t, signedPayload, func(binding *signetv1alpha1.SignatureBinding) {
		binding.Spec.SignatureHeader, binding.Spec.BackendHost, binding.Spec.SignedHeaders = "X-Signature", "orders.internal:8443", []string{"content-type", "x-tenant"}
	})
	body := `{"a":1}`
	response := sendRaw(t, f.serve(f.signer.SignHandler(true)), forwardedRequest("/sign/"+slotPath, "PUT", "/x", host,
		"Content-Type: application/json", "X-Tenant: a", "X-Tenant: b", fmt.Sprintf("Content-Length: %d", len(body)))+body)
	if response.Header.Get("Authorization") != "" {
		t.Error("Authorization instead of X-Signature")
	}
	got := response.Header.Clone()
	got.Set("Content-Type", "application/json")
	got["X-Tenant"] = []string{"a", "b"}
	seen := signature.Request{Method: "PUT", Target: "/x", Host: "orders.internal:8443", Header: got, Payload: signature.Digest([]byte(body))}
	f.expectVerified(&seen, signature.VerifierOptions{Header: "X-Signature", RequiredHeaders: []string{"content-type", "x-tenant"}})
}

func TestBackendHostReplacesForwardedHost(t *testing.T) {
	f := newFixture(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.BackendHost = "orders.internal" })
	address := f.serve(f.signer.SignHandler(true))
	response := sendRaw(t, address, "GET /sign/"+slotPath+" HTTP/1.1\r\nHost: s\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\n\r\n")
	f.expectVerified(&signature.Request{Method: "GET", Target: "/x", Host: "orders.internal", Header: response.Header}, unsigned)
	response = sendRaw(t, address, forwardedRequest("/sign/"+slotPath, "GET", "/x", host, "X-Forwarded-Host: b"))
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("two forwarded hosts: %s", response.Status)
	}
}

func TestHashesTheWholeBody(t *testing.T) {
	f := newFixture(t, signedPayload)
	address := f.serve(f.signer.SignHandler(true))
	chunked := func(parts ...string) string {
		var text strings.Builder
		for _, part := range parts {
			fmt.Fprintf(&text, "%x\r\n%s\r\n", len(part), part)
		}
		return text.String() + "0\r\n\r\n"
	}
	binary := string([]byte{0, 1, 0xff, '\r', '\n', 0x80})
	for name, tc := range map[string]struct{ head, body, want string }{
		"none":    {"", "", ""},
		"length":  {"Content-Length: 6", binary, binary},
		"empty":   {"Content-Length: 0", "", ""},
		"chunked": {"Transfer-Encoding: chunked", chunked("ab", binary, strings.Repeat("x", 5000)), "ab" + binary + strings.Repeat("x", 5000)}, // Traefik, on a GET
		"expect":  {"Content-Length: 2\r\nX-Ignored: 1", "ab", "ab"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := []string{}
			if tc.head != "" {
				lines = append(lines, tc.head)
			}
			response := sendRaw(t, address, forwardedRequest("/sign/"+slotPath, "POST", "/x", host, lines...)+tc.body)
			if got := response.Header.Get("X-Sdk-Content-Sha256"); got != signature.Digest([]byte(tc.want)) {
				t.Fatalf("%s: digest %q", response.Status, got)
			}
			f.expectVerified(&signature.Request{Method: "POST", Target: "/x", Host: host, Header: response.Header, Payload: signature.Digest([]byte(tc.want))}, signature.VerifierOptions{})
		})
	}
}

func TestNeverSignsTruncatedOrLargeBodies(t *testing.T) {
	large := strings.Repeat("x", int(testLimits().MaxBody)+1)
	for name, how := range map[string][]func(*signetv1alpha1.SignatureBinding){"signed": {signedPayload}, "unsigned": nil} {
		f := newFixture(t, how...)
		address := f.serve(f.signer.SignHandler(true))
		for fault, tc := range map[string]struct {
			head, body string
			want       int
		}{
			"truncated":            {"Content-Length: 10", "abc", http.StatusBadRequest},
			"missing":              {"Content-Length: 10", "", http.StatusBadRequest},
			"missing last chunk":   {"Transfer-Encoding: chunked", "3\r\nabc\r\n", http.StatusBadRequest},
			"truncated chunk":      {"Transfer-Encoding: chunked", "5\r\nabc", http.StatusBadRequest},
			"mangled chunk":        {"Transfer-Encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n", http.StatusBadRequest},
			"too large":            {fmt.Sprintf("Content-Length: %d", len(large)), large, http.StatusRequestEntityTooLarge},
			"too large, in chunks": {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large), http.StatusRequestEntityTooLarge},
			"two lengths":          {"Content-Length: 3\r\nContent-Length: 4", "abc", http.StatusBadRequest},
		} {
			response := sendRaw(t, address, forwardedRequest("/sign/"+slotPath, "POST", "/x", host, tc.head)+tc.body)
			if response.StatusCode != tc.want {
				t.Errorf("%s, %s: %s", name, fault, response.Status)
			}
		}
		partial := sendRaw(t, address, forwardedRequest("/sign/"+slotPath, "POST", "/x", host, "X-Envoy-Auth-Partial-Body: true", "Content-Length: 3")+"abc")
		if want := map[string]int{"signed": 413, "unsigned": 200}[name]; partial.StatusCode != want {
			t.Errorf("%s, partial: %s", name, partial.Status)
		}
	}
}

// A gateway that announces a body and never sends it must not hang forever: nginx
// without `proxy_set_header Content-Length ""`.
func TestMissingBodyTimesOut(t *testing.T) {
	f := newFixture(t)
	f.signer.limits.ReadTimeout = 300 * time.Millisecond
	address := f.serve(f.signer.SignHandler(true))
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/sign/"+slotPath, blockingBody{t.Context().Done()})
	request.ContentLength = 10
	request.Header.Set("X-Forwarded-Method", "POST")
	request.Header.Set("X-Forwarded-Uri", "/x")
	request.Header.Set("X-Forwarded-Host", host)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return // closing the connection is fine, too
	}
	defer response.Body.Close() //nolint:errcheck // only read
	checkResponse(t, response)
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusBadRequest || string(text) != "body truncated\n" {
		t.Errorf("%s: %s", response.Status, text)
	}
}

type blockingBody struct{ done <-chan struct{} }

func (n blockingBody) Read([]byte) (int, error) {
	<-n.done
	return 0, io.ErrUnexpectedEOF
}

func TestRefusesMalformedRequests(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.SignHandler(true))
	path := "/sign/" + slotPath
	for name, request := range map[string]string{
		"no method":        "GET " + path + " HTTP/1.1\r\nHost: s\r\nX-Forwarded-Uri: /x\r\nX-Forwarded-Host: h\r\n\r\n",
		"no target":        "GET " + path + " HTTP/1.1\r\nHost: s\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: h\r\n\r\n",
		"no host":          "GET " + path + " HTTP/1.1\r\nHost: s\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\n\r\n",
		"empty target":     forwardedRequest(path, "GET", "", host),
		"two methods":      forwardedRequest(path, "GET", "/x", host, "X-Forwarded-Method: POST"),
		"two targets":      forwardedRequest(path, "GET", "/x", host, "x-forwarded-uri: /y"),
		"two hosts":        forwardedRequest(path, "GET", "/x", host, "X-FORWARDED-HOST: other"),
		"hosts in a list":  forwardedRequest(path, "GET", "/x", "a.example, b.example"),
		"no path":          forwardedRequest(path, "GET", "x", host),
		"a whole URL":      forwardedRequest(path, "GET", "http://a/x", host),
		"asterisk":         forwardedRequest(path, "OPTIONS", "*", host),
		"broken escape":    forwardedRequest(path, "GET", "/%zz", host),
		"lower case":       forwardedRequest(path, "patch", "/x", host),
		"one letter of it": forwardedRequest(path, "PATCh", "/x", host),
		"method no token":  forwardedRequest(path, "G ET", "/x", host),
		"space in host":    forwardedRequest(path, "GET", "/x", "a b"),
		"space in target":  forwardedRequest(path, "GET", "/x y", host),
		"host with a path": forwardedRequest(path, "GET", "/x", "a/b"),
	} {
		if response := sendRaw(t, address, request); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
}

func TestRefusesOtherPaths(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.SignHandler(true))
	for name, line := range map[string]string{
		"the root":       "GET / HTTP/1.1",
		"other endpoint": "GET /envoy/" + slotPath + "/x HTTP/1.1",
		"to be cleaned":  "GET /sign//" + slotPath + " HTTP/1.1",
		"dot segments":   "GET /x/../sign/" + slotPath + " HTTP/1.1",
		"a whole URL":    "GET http://signer/sign/" + slotPath + " HTTP/1.1",
		"the server":     "OPTIONS * HTTP/1.1",
		"a proxy":        "CONNECT signer:443 HTTP/1.1",
		"a longer path":  "GET /sign/" + slotPath + "/x HTTP/1.1",
		"probes":         "GET /healthz HTTP/1.1",
		"an escape":      "GET /sign/team-a/RELEASE/API/order%73 HTTP/1.1",
		"the debugger's": "GET /debug/pprof/ HTTP/1.1",
	} {
		response := sendRaw(t, address, line+"\r\nHost: s\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /x\r\nX-Forwarded-Host: h\r\n\r\n")
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, response.Status)
		}
		if text, _ := io.ReadAll(response.Body); string(text) != "not found\n" {
			t.Errorf("%s: body %q", name, text)
		}
	}
}

func TestHeadersHaveALimit(t *testing.T) {
	f := newFixture(t)
	response := sendRaw(t, f.serve(f.signer.SignHandler(true)), forwardedRequest("/sign/"+slotPath, "GET", "/x", host, "X-Large: "+strings.Repeat("x", 16<<10)))
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(response.Status)
	}
}
