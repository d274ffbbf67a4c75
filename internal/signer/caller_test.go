// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/signer/snapshot"
	"github.com/signet-dev/signet/internal/slots"
)

// recordRequest parses a request as the server does, for a handler.
func recordRequest(text string) (*httptest.ResponseRecorder, *http.Request) {
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		panic(err)
	}
	return httptest.NewRecorder(), request
}

func testSlot(t testing.TB) slots.Slot {
	t.Helper()
	slot, err := parseSlot(slotPath)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func TestPermissionsOfCertificates(t *testing.T) {
	for uri, want := range map[string]struct{ sign, verify bool }{
		"signet://sign/team-a":        {sign: true},
		"signet://sign/*":             {sign: true},
		"signet://verify/team-a":      {verify: true},
		"signet://verify/*":           {},
		"signet://sign/team-b":        {},
		"signet://sign/team":          {},
		"signet://sign/team-a/":       {},
		"signet://sign/team-a/x":      {},
		"signet://sign//team-a":       {},
		"signet://sign/team%2Da":      {},
		"signet://sign/team-a?":       {},
		"signet://sign/team-a?x=y":    {},
		"signet://sign/team-a#x":      {},
		"signet://user@sign/team-a":   {},
		"signet://sign:1/team-a":      {},
		"signet://SIGN/team-a":        {},
		"signet://sign/":              {},
		"signet://sign":               {},
		"signet:sign/team-a":          {},
		"https://sign/team-a":         {},
		"spiffe://cluster/ns/team-a":  {},
		"signet://sign/team-a,team-b": {},
	} {
		c := callerOf(connWith(t, uri), false)
		if got := c.authorize(verbSign, team, time.Now()) == nil; got != want.sign {
			t.Errorf("%s signs: %t", uri, got)
		}
		if got := c.authorize(verbVerify, team, time.Now()) == nil; got != want.verify {
			t.Errorf("%s verifies: %t", uri, got)
		}
	}
	several := callerOf(connWith(t, "signet://verify/team-a", "signet://sign/team-b", "signet://sign/team-a"), false)
	if several.authorize(verbSign, team, time.Now()) != nil || several.authorize(verbSign, "team-b", time.Now()) != nil || several.authorize(verbVerify, "team-b", time.Now()) == nil {
		t.Error("certificate with several URIs")
	}
}

func TestCallersWithoutAValidCertificate(t *testing.T) {
	now := time.Now()
	expired := connWith(t, "signet://sign/*")
	expired.verified.Store(&verifiedPeer{until: now.Add(-time.Second)})
	for name, c := range map[string]caller{
		"none": callerOf(nil, false), "expired": callerOf(expired, true), "without a handshake": callerOf(&trackedConn{}, true), "without URIs": callerOf(connWith(t), true),
	} {
		if c.authorize(verbSign, team, now) == nil || c.authorize(verbVerify, team, now) == nil {
			t.Errorf("%s: allowed", name)
		}
	}
	if callerOf(nil, true).authorize(verbSign, team, now) != nil {
		t.Error("local: refused")
	}
}

// A response does not reveal whether a slot of another namespace exists, nor why
// a slot of the caller's namespace is unusable (invariant 7).
func TestResponsesRevealNothing(t *testing.T) {
	f := newFixture(t)
	broken := f.add("broken", f.keySpec())
	broken.Status.KeyName = "gone"
	f.store.SetBinding(broken, time.Now())
	request := func(handler http.Handler, prefix, slot, uri string) string {
		recorder, request := recordRequest(forwardedRequest(prefix+slot, "GET", "/x", host))
		handler.ServeHTTP(recorder, withConn(request, connWith(t, uri)))
		checkResponse(t, recorder.Result())
		var text strings.Builder
		_ = recorder.Result().Write(&text)
		return text.String()
	}
	for prefix, handler := range map[string]http.Handler{"/sign/": f.signer.SignHandler(false), "/verify/": f.signer.VerifyHandler(false)} {
		verb := strings.Trim(prefix, "/")
		forbidden := request(handler, prefix, slotPath, "signet://"+verb+"/team-b")
		if !strings.HasSuffix(forbidden, "\r\n\r\ncertificate not valid for this namespace\n") || !strings.Contains(forbidden, "403 Forbidden") {
			t.Errorf("another namespace: %s", forbidden)
		}
		for _, slot := range []string{"team-a/RELEASE/API/nothing", "team-a/nowhere/API/orders", "missing/RELEASE/API/orders"} {
			if got := request(handler, prefix, slot, "signet://"+verb+"/team-b"); got != forbidden {
				t.Errorf("%s: the response differs from that for an existing slot:\n%s", slot, got)
			}
		}
		unknown := request(handler, prefix, "team-a/RELEASE/API/nothing", "signet://"+verb+"/team-a")
		if got := request(handler, prefix, "team-a/RELEASE/API/broken", "signet://"+verb+"/team-a"); got != unknown || !strings.HasSuffix(got, "\r\n\r\nno signing key available\n") || !strings.Contains(got, "503 Service") {
			t.Errorf("the responses for a broken and an unknown slot differ:\n%s%s", got, unknown)
		}
	}
	for _, reason := range []string{string(snapshot.ReasonNoKey), string(snapshot.ReasonNoBinding)} {
		if !strings.Contains(f.log.String(), reason) {
			t.Errorf("the log does not contain %s:\n%s", reason, f.log.String())
		}
	}
}

func TestVerifyCertificateCannotSign(t *testing.T) {
	f := newFixture(t)
	for _, endpoint := range []struct {
		handler http.Handler
		path    string
	}{{f.signer.SignHandler(false), "/sign/" + slotPath}, {f.signer.EnvoyHandler(false), "/envoy/" + slotPath + "/x"}} {
		recorder, request := recordRequest(forwardedRequest(endpoint.path, "GET", "/x", host))
		endpoint.handler.ServeHTTP(recorder, withConn(request, connWith(t, "signet://verify/team-a")))
		if checkResponse(t, recorder.Result()); recorder.Code != http.StatusForbidden {
			t.Errorf("%s: %d", endpoint.path, recorder.Code)
		}
	}
	recorder, request := recordRequest(forwardedRequest("/verify/"+slotPath, "GET", "/x", host))
	f.signer.VerifyHandler(false).ServeHTTP(recorder, withConn(request, connWith(t, "signet://sign/*")))
	if recorder.Code != http.StatusForbidden {
		t.Errorf("a signing certificate may verify: %d", recorder.Code)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	f := newFixture(t)
	f.signer.store = nil
	for prefix, handler := range map[string]http.Handler{"/sign/": f.signer.SignHandler(true), "/verify/": f.signer.VerifyHandler(true)} {
		recorder, request := recordRequest(forwardedRequest(prefix+slotPath, "GET", "/x", host))
		handler.ServeHTTP(recorder, request)
		if checkResponse(t, recorder.Result()); recorder.Code != http.StatusInternalServerError || recorder.Body.String() != "internal error\n" {
			t.Errorf("%s: %d %s", prefix, recorder.Code, recorder.Body)
		}
	}
}
