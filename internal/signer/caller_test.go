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

// recorded is a request as the server would read it, for a handler.
func recorded(text string) (*httptest.ResponseRecorder, *http.Request) {
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		panic(err)
	}
	return httptest.NewRecorder(), request
}

func slotOf(t testing.TB) slots.Slot {
	t.Helper()
	slot, err := parseSlot(slotPath)
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func TestWhatCertificatesAllow(t *testing.T) {
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
		c := callerOf(as(t, uri), false)
		if got := c.authorize(verbSign, team, time.Now()) == nil; got != want.sign {
			t.Errorf("%s signs: %t", uri, got)
		}
		if got := c.authorize(verbVerify, team, time.Now()) == nil; got != want.verify {
			t.Errorf("%s verifies: %t", uri, got)
		}
	}
	several := callerOf(as(t, "signet://verify/team-a", "signet://sign/team-b", "signet://sign/team-a"), false)
	if several.authorize(verbSign, team, time.Now()) != nil || several.authorize(verbSign, "team-b", time.Now()) != nil || several.authorize(verbVerify, "team-b", time.Now()) == nil {
		t.Error("several URIs")
	}
}

func TestCallersWithoutAValidCertificate(t *testing.T) {
	now := time.Now()
	ended := as(t, "signet://sign/*")
	ended.proof.Store(&verifiedPeer{until: now.Add(-time.Second)})
	for name, c := range map[string]caller{
		"none": callerOf(nil, false), "ended meanwhile": callerOf(ended, true), "without a handshake": callerOf(&trackedConn{}, true), "without URIs": callerOf(as(t), true),
	} {
		if c.authorize(verbSign, team, now) == nil || c.authorize(verbVerify, team, now) == nil {
			t.Errorf("%s: allowed", name)
		}
	}
	if callerOf(nil, true).authorize(verbSign, team, now) != nil {
		t.Error("local: refused")
	}
}

// Whether a foreign slot exists cannot be told from the answer, nor from one's
// own which of the reasons it was (invariant 7).
func TestAnswersTellNothing(t *testing.T) {
	b := newBench(t)
	broken := b.add(team, "broken", b.keySpec())
	broken.Status.KeyName = "gone"
	b.store.SetBinding(broken, time.Now())
	ask := func(handler http.Handler, prefix, slot, uri string) string {
		recorder, request := recorded(forwardedRequest(prefix+slot, "GET", "/x", host))
		handler.ServeHTTP(recorder, by(request, as(t, uri)))
		honest(t, recorder.Result())
		var text strings.Builder
		_ = recorder.Result().Write(&text)
		return text.String()
	}
	for prefix, handler := range map[string]http.Handler{"/sign/": b.signer.SignHandler(false), "/verify/": b.signer.VerifyHandler(false)} {
		verb := strings.Trim(prefix, "/")
		foreign := ask(handler, prefix, slotPath, "signet://"+verb+"/team-b")
		if !strings.Contains(foreign, "403 Forbidden") || strings.Contains(foreign, "team-a") {
			t.Errorf("foreign: %s", foreign)
		}
		for _, slot := range []string{"team-a/RELEASE/API/nothing", "team-a/nowhere/API/orders", "nobody/RELEASE/API/orders"} {
			if got := ask(handler, prefix, slot, "signet://"+verb+"/team-b"); got != foreign {
				t.Errorf("%s differs from a slot that is there:\n%s", slot, got)
			}
		}
		unknown := ask(handler, prefix, "team-a/RELEASE/API/nothing", "signet://"+verb+"/team-a")
		if got := ask(handler, prefix, "team-a/RELEASE/API/broken", "signet://"+verb+"/team-a"); got != unknown || !strings.Contains(got, "503 Service") {
			t.Errorf("broken differs from unknown:\n%s%s", got, unknown)
		}
	}
	for _, reason := range []string{string(snapshot.ReasonNoKey), string(snapshot.ReasonNoBinding)} {
		if !strings.Contains(b.log.String(), reason) {
			t.Errorf("the log does not say %s:\n%s", reason, b.log.String())
		}
	}
}

func TestVerifyCertificateCannotSign(t *testing.T) {
	b := newBench(t)
	for _, face := range []struct {
		handler http.Handler
		path    string
	}{{b.signer.SignHandler(false), "/sign/" + slotPath}, {b.signer.EnvoyHandler(false), "/envoy/" + slotPath + "/x"}} {
		recorder, request := recorded(forwardedRequest(face.path, "GET", "/x", host))
		face.handler.ServeHTTP(recorder, by(request, as(t, "signet://verify/team-a")))
		if honest(t, recorder.Result()); recorder.Code != http.StatusForbidden {
			t.Errorf("%s: %d", face.path, recorder.Code)
		}
	}
	recorder, request := recorded(forwardedRequest("/verify/"+slotPath, "GET", "/x", host))
	b.signer.VerifyHandler(false).ServeHTTP(recorder, by(request, as(t, "signet://sign/*")))
	if recorder.Code != http.StatusForbidden {
		t.Errorf("a sign certificate verifies: %d", recorder.Code)
	}
}

func TestBrokenSignerNeverAnswersWell(t *testing.T) {
	b := newBench(t)
	b.signer.store = nil
	for prefix, handler := range map[string]http.Handler{"/sign/": b.signer.SignHandler(true), "/verify/": b.signer.VerifyHandler(true)} {
		recorder, request := recorded(forwardedRequest(prefix+slotPath, "GET", "/x", host))
		handler.ServeHTTP(recorder, request)
		if honest(t, recorder.Result()); recorder.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d", prefix, recorder.Code)
		}
	}
}
