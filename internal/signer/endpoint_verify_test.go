// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// signFor returns the headers that a gateway would send to the backend.
func (f *fixture) signFor(target, body string, at time.Time) []string {
	f.t.Helper()
	grant, err := f.store.Snapshot().Lookup(testSlot(f.t), at)
	if err != nil {
		f.t.Fatal(err)
	}
	request := &signature.Request{Method: "POST", Target: target, Host: host, Payload: signature.UnsignedPayload, Header: http.Header{"Content-Type": {"text/plain"}}}
	if grant.SignedPayload {
		request.Payload = signature.Digest([]byte(body))
	}
	result, err := f.signer.sign(grant, request, at)
	if err != nil {
		f.t.Fatal(err)
	}
	return []string{result.name + ": " + result.Signature, "X-Sdk-Date: " + result.Date, "X-Sdk-Content-Sha256: " + result.Payload, "Content-Type: text/plain", fmt.Sprintf("Content-Length: %d", len(body))}
}

func (f *fixture) verifyStatus(address, target, body string, headers []string) int {
	f.t.Helper()
	return sendRaw(f.t, address, forwardedRequest("/verify/"+slotPath, "POST", target, host, headers...)+body).StatusCode
}

func TestVerifyAcceptsWhatSignReturns(t *testing.T) {
	for name, how := range map[string]func(*signetv1alpha1.SignatureBinding){
		"plain":   func(*signetv1alpha1.SignatureBinding) {},
		"payload": signedPayload,
		"headers": func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignedHeaders = []string{"content-type"} },
		"header":  func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignatureHeader = "X-Signature" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, how)
			f.signer.failures.rate = 0
			address := f.serve(f.signer.VerifyHandler(true))
			headers := f.signFor("/x?a=b", "abc", time.Now())
			if status := f.verifyStatus(address, "/x?a=b", "abc", headers); status != http.StatusNoContent {
				t.Fatalf("status %d", status)
			}
			for fault, tc := range map[string]struct {
				target, body string
				headers      []string
			}{
				"other target":    {"/x?a=c", "abc", headers},
				"no signature":    {"/x?a=b", "abc", headers[1:]},
				"no date":         {"/x?a=b", "abc", append(headers[:1:1], headers[2:]...)},
				"other signature": {"/x?a=b", "abc", append([]string{strings.Replace(headers[0], "Signature=", "Signature=0", 1)}, headers[1:]...)},
				"old signature":   {"/x?a=b", "abc", f.signFor("/x?a=b", "abc", time.Now().Add(-time.Hour))},
			} {
				if status := f.verifyStatus(address, tc.target, tc.body, tc.headers); status != http.StatusUnauthorized {
					t.Errorf("%s: %d", fault, status)
				}
			}
			want := map[string]int{"payload": http.StatusUnauthorized}[name]
			if want == 0 {
				want = http.StatusNoContent
			}
			if status := f.verifyStatus(address, "/x?a=b", "abd", headers); status != want {
				t.Errorf("other body: %d, want %d", status, want)
			}
			added := slices.Concat(headers[:3], []string{"Content-Type: text/html", headers[4]})
			want = map[string]int{"headers": http.StatusUnauthorized}[name]
			if want == 0 {
				want = http.StatusNoContent
			}
			if status := f.verifyStatus(address, "/x?a=b", "abc", added); status != want {
				t.Errorf("other content-type: %d, want %d", status, want)
			}
		})
	}
}

// A header that the gateway signs if the request has it cannot be added later.
func TestVerifyRefusesAnAddedHeader(t *testing.T) {
	f := newFixture(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignedHeaders = []string{"x-tenant"} })
	address := f.serve(f.signer.VerifyHandler(true))
	headers := f.signFor("/x", "", time.Now())
	if status := f.verifyStatus(address, "/x", "", headers); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	if status := f.verifyStatus(address, "/x", "", append(headers, "X-Tenant: other")); status != http.StatusUnauthorized {
		t.Errorf("added header: %d", status)
	}
}

// The binding may require a signed body although the signature does not cover it.
func TestVerifyAppliesThePolicyOfTheBinding(t *testing.T) {
	f := newFixture(t)
	headers := f.signFor("/x", "abc", time.Now())
	signedPayload(f.binding)
	f.store.SetBinding(f.binding, time.Now())
	if status := f.verifyStatus(f.serve(f.signer.VerifyHandler(true)), "/x", "abc", headers); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
}

func TestFailureLimitPerCallerAndSlot(t *testing.T) {
	f := newFixture(t)
	f.add("payments", signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC})
	good := f.signFor("/x", "", time.Now())
	serve := func(uris string, slot string, headers []string) int {
		recorder, request := recordRequest(forwardedRequest("/verify/"+slot, "POST", "/x", host, headers...))
		f.signer.VerifyHandler(false).ServeHTTP(recorder, withConn(request, connWith(t, strings.Fields(uris)...)))
		checkResponse(t, recorder.Result())
		return recorder.Code
	}
	const one, other = "signet://verify/team-a", "signet://verify/team-a signet://verify/team-b"
	wrong := slices.Concat([]string{strings.Replace(good[0], "Signature=", "Signature=0", 1)}, good[1:])
	for range testLimits().FailureBurst {
		if status := serve(one, slotPath, wrong); status != http.StatusUnauthorized {
			t.Fatalf("status %d", status)
		}
	}
	for name, tc := range map[string]struct {
		caller, slot string
		headers      []string
		want         int
	}{
		"invalid again":             {one, slotPath, wrong, http.StatusTooManyRequests},
		"valid":                     {one, slotPath, good, http.StatusTooManyRequests},
		"other caller":              {other, slotPath, good, http.StatusNoContent},
		"other slot":                {one, "team-a/RELEASE/API/payments", good, http.StatusUnauthorized},
		"slot of another namespace": {one, "team-b/RELEASE/API/payments", good, http.StatusForbidden},
		"unknown slot":              {one, "team-a/RELEASE/API/nothing", good, http.StatusServiceUnavailable},
	} {
		if status := serve(tc.caller, tc.slot, tc.headers); status != tc.want {
			t.Errorf("%s: %d, want %d", name, status, tc.want)
		}
	}
}

// TestOnlyGuessesCount sends what strangers can send without a guess, far beyond the
// limit: right requests are accepted all the same.
func TestOnlyGuessesCount(t *testing.T) {
	f := newFixture(t)
	address := f.serve(f.signer.VerifyHandler(true))
	good := f.signFor("/x", "", time.Now())
	_, fields, _ := strings.Cut(good[0], " Access=")
	for name, headers := range map[string][]string{
		"nothing":             nil,
		"no signature":        good[1:],
		"another scheme":      append([]string{"Authorization: Bearer nothing"}, good[1:]...),
		"an unknown key":      append([]string{"Authorization: SDK-HMAC-SHA256 Access=x" + fields}, good[1:]...),
		"a password":          append([]string{"Authorization: Basic YTpi"}, good[1:]...),
		"not base64":          append([]string{"Authorization: Basic a"}, good[1:]...),
		"no date":             append(good[:1:1], good[2:]...),
		"an old date":         f.signFor("/x", "", time.Now().Add(-time.Hour)),
		"two dates":           append([]string{good[1]}, good...),
		"a digest of nothing": slices.Concat(good[:2], []string{"X-Sdk-Content-Sha256: 0"}, good[3:]),
		"two signatures":      append([]string{good[0]}, good...),
	} {
		for range 2 * testLimits().FailureBurst {
			if status := f.verifyStatus(address, "/x", "", headers); status != http.StatusUnauthorized {
				t.Fatalf("%s: %d", name, status)
			}
		}
		if status := f.verifyStatus(address, "/x", "", good); status != http.StatusNoContent {
			t.Fatalf("after %s, a right request: %d", name, status)
		}
	}
	response := sendRaw(t, address, forwardedRequest("/verify/"+slotPath, "POST", "/x", host))
	if got := response.Header.Get("WWW-Authenticate"); got != "Signature" {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

// slowBody reports when it is read, and ends when end is closed.
type slowBody struct {
	read chan<- struct{}
	end  <-chan struct{}
}

func (b slowBody) Read([]byte) (int, error) {
	b.read <- struct{}{}
	<-b.end
	return 0, io.EOF
}

// Requests whose bodies are still arriving have passed the limit before any of
// them has failed.
func TestFailureLimitWhileBodiesArrive(t *testing.T) {
	const together = 4
	f := newFixture(t)
	now := time.Now()
	f.signer.now = func() time.Time { return now }
	good := f.signFor("/x", "", now)
	wrong := slices.Concat([]string{strings.Replace(good[0], "Signature=", "Signature=0", 1)}, good[1:4])
	handler := f.signer.VerifyHandler(true)
	read := make(chan struct{}, testLimits().FailureBurst*together)
	begin := func() (end chan<- struct{}, status <-chan int) {
		ended, statuses := make(chan struct{}), make(chan int, 1)
		recorder, request := recordRequest(forwardedRequest("/verify/"+slotPath, "POST", "/x", host, wrong...))
		request.Body = io.NopCloser(slowBody{read, ended})
		go func() { handler.ServeHTTP(recorder, request); statuses <- recorder.Code }()
		return ended, statuses
	}
	var ends []chan<- struct{}
	var statuses []<-chan int
	for range testLimits().FailureBurst * together {
		end, status := begin()
		<-read
		ends, statuses = append(ends, end), append(statuses, status)
	}
	now = now.Add(time.Second)
	for i := range ends {
		close(ends[i])
		want := http.StatusUnauthorized
		if i >= testLimits().FailureBurst {
			want = http.StatusTooManyRequests
		}
		if got := <-statuses[i]; got != want {
			t.Errorf("request %d: %d, want %d", i, got, want)
		}
	}
	_, status := begin()
	select {
	case got := <-status:
		if got != http.StatusTooManyRequests {
			t.Errorf("beyond the limit: %d", got)
		}
	case <-read:
		t.Error("a body is read beyond the limit")
	}
}

func TestFailuresExpireAndAreBounded(t *testing.T) {
	counts := newFailures(Limits{FailureRate: 10, FailureBurst: 2})
	now, key := time.Now(), failureKey{slot: testSlot(t)}
	for range 10 {
		counts.add(key, now)
	}
	if !counts.exhausted(key, now) || counts.exhausted(key, now.Add(time.Second)) {
		t.Error("ten failures per second do not count")
	}
	for i := range maxFailureKeys * 2 {
		counts.add(failureKey{slot: testSlot(t), caller: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}, now)
	}
	if counts.limiters.Len() != maxFailureKeys {
		t.Errorf("%d keys", counts.limiters.Len())
	}
}
