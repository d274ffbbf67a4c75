// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestEnvoySignsTheRestOfTheTarget(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.EnvoyHandler(true))
	for _, target := range []string{
		"/", "/v1/items?b=2&a=1", "//x/../../../team-b/RELEASE/API/payments", "/%2e%2e/%2F?q=/../", "/envoy/team-b/RELEASE/API/payments", "/x?",
	} {
		for _, method := range []string{"GET", "POST", "HEAD"} {
			// X-Forwarded-* from the client is ignored.
			response := sendRaw(t, address, method+" /envoy/"+slotPath+target+" HTTP/1.1\r\nHost: "+host+
				"\r\nX-Forwarded-Method: DELETE\r\nX-Forwarded-Uri: /other\r\nX-Forwarded-Uri: /another\r\nX-Forwarded-Host: other\r\n\r\n")
			if response.StatusCode != http.StatusOK {
				t.Fatalf("%s %s: %s", method, target, response.Status)
			}
			f.expectVerified(&signature.Request{Method: method, Target: target, Host: host, Header: response.Header}, unsigned)
		}
	}
}

func TestEnvoySignsTheBody(t *testing.T) {
	f := newFixture(t, signedPayload)
	address := f.serve(f.signer.EnvoyHandler(true))
	send := func(headers, body string) *http.Response {
		return sendRaw(t, address, fmt.Sprintf("POST /envoy/%s/x HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", slotPath, host, headers, len(body), body))
	}
	response := send("X-Envoy-Auth-Partial-Body: false\r\n", "abc")
	f.expectVerified(&signature.Request{Method: "POST", Target: "/x", Host: host, Header: response.Header, Payload: signature.Digest([]byte("abc"))}, signature.VerifierOptions{})
	for _, headers := range []string{"X-Envoy-Auth-Partial-Body: true\r\n", "X-Envoy-Auth-Partial-Body: false\r\nx-envoy-auth-partial-body: true\r\n"} {
		if response := send(headers, "abc"); response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("partial body: %s", response.Status)
		}
	}
}

func TestEnvoySignsTheBackendHost(t *testing.T) {
	f := newFixture(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.BackendHost = "orders.internal" })
	response := sendRaw(t, f.serve(f.signer.EnvoyHandler(true)), "GET /envoy/"+slotPath+"/x HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
	f.expectVerified(&signature.Request{Method: "GET", Target: "/x", Host: "orders.internal", Header: response.Header}, unsigned)
}

func TestEnvoyRefusesInvalidTargets(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.EnvoyHandler(true))
	for target, want := range map[string]int{
		"/envoy/" + slotPath:                     http.StatusBadRequest,
		"/envoy/" + slotPath + "?a=b":            http.StatusNotFound,
		"/envoy/team-a/RELEASE/API":              http.StatusNotFound,
		"/envoy/team-a/RELEASE/API/../x":         http.StatusNotFound,
		"/sign/" + slotPath + "/x":               http.StatusNotFound,
		"/envoy/" + slotPath + "/%zz":            http.StatusBadRequest,
		"/x/../envoy/" + slotPath + "/x":         http.StatusNotFound,
		"/envoy//" + strings.ToLower(slotPath):   http.StatusNotFound,
		"/envoy/team-a/RELEASE/API/order%73/x":   http.StatusNotFound,
		"/envoy/team-a/RELEASE/API/payments/x":   http.StatusServiceUnavailable,
		"/envoy/team-a/RELEASE/API/orders%2f../": http.StatusNotFound,
	} {
		if response := sendRaw(t, address, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); response.StatusCode != want {
			t.Errorf("%s: %s, want %d", target, response.Status, want)
		}
	}
}
