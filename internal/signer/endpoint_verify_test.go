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

// signedBy is what a gateway would send to the backend.
func (b *bench) signedBy(target, body string, at time.Time) []string {
	b.t.Helper()
	answered, err := b.store.Snapshot().Lookup(slotOf(b.t), at)
	if err != nil {
		b.t.Fatal(err)
	}
	request := &signature.Request{Method: "POST", Target: target, Host: host, Payload: signature.UnsignedPayload, Header: http.Header{"Content-Type": {"text/plain"}}}
	if answered.SignedPayload {
		request.Payload = signature.Digest([]byte(body))
	}
	result, err := b.signer.sign(answered, request, at)
	if err != nil {
		b.t.Fatal(err)
	}
	return []string{result.name + ": " + result.Signature, "X-Sdk-Date: " + result.Date, "X-Sdk-Content-Sha256: " + result.Payload, "Content-Type: text/plain", fmt.Sprintf("Content-Length: %d", len(body))}
}

func (b *bench) ask(address, target, body string, headers []string) int {
	b.t.Helper()
	return raw(b.t, address, forwardedRequest("/verify/"+slotPath, "POST", target, host, headers...)+body).StatusCode
}

func TestVerifyIsTheMirrorOfSign(t *testing.T) {
	for name, how := range map[string]func(*signetv1alpha1.SignatureBinding){
		"plain":   func(*signetv1alpha1.SignatureBinding) {},
		"payload": signedPayload,
		"headers": func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignedHeaders = []string{"content-type"} },
		"header":  func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignatureHeader = "X-Signature" },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, how)
			b.signer.failures.rate = 0
			address := b.serve(b.signer.VerifyHandler(true))
			headers := b.signedBy("/x?a=b", "abc", time.Now())
			if status := b.ask(address, "/x?a=b", "abc", headers); status != http.StatusNoContent {
				t.Fatalf("status %d", status)
			}
			for fault, tc := range map[string]struct {
				target, body string
				headers      []string
			}{
				"another target":    {"/x?a=c", "abc", headers},
				"no signature":      {"/x?a=b", "abc", headers[1:]},
				"no date":           {"/x?a=b", "abc", append(headers[:1:1], headers[2:]...)},
				"another signature": {"/x?a=b", "abc", append([]string{strings.Replace(headers[0], "Signature=", "Signature=0", 1)}, headers[1:]...)},
				"an old one":        {"/x?a=b", "abc", b.signedBy("/x?a=b", "abc", time.Now().Add(-time.Hour))},
			} {
				if status := b.ask(address, tc.target, tc.body, tc.headers); status != http.StatusUnauthorized {
					t.Errorf("%s: %d", fault, status)
				}
			}
			want := map[string]int{"payload": http.StatusUnauthorized}[name]
			if want == 0 {
				want = http.StatusNoContent
			}
			if status := b.ask(address, "/x?a=b", "abd", headers); status != want {
				t.Errorf("another body: %d, want %d", status, want)
			}
			added := append(headers[:3:3], "Content-Type: text/html", headers[4])
			want = map[string]int{"headers": http.StatusUnauthorized}[name]
			if want == 0 {
				want = http.StatusNoContent
			}
			if status := b.ask(address, "/x?a=b", "abc", added); status != want {
				t.Errorf("another content-type: %d, want %d", status, want)
			}
		})
	}
}

// What the gateway signs only where there is one cannot be added on the way.
func TestVerifyNoticesAnAddedHeader(t *testing.T) {
	b := newBench(t, func(binding *signetv1alpha1.SignatureBinding) { binding.Spec.SignedHeaders = []string{"x-tenant"} })
	address := b.serve(b.signer.VerifyHandler(true))
	headers := b.signedBy("/x", "", time.Now())
	if status := b.ask(address, "/x", "", headers); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	if status := b.ask(address, "/x", "", append(headers, "X-Tenant: other")); status != http.StatusUnauthorized {
		t.Errorf("with one more: %d", status)
	}
}

// A binding may demand the body although the signature leaves it out.
func TestVerifyDemandsWhatTheBindingSays(t *testing.T) {
	b := newBench(t)
	headers := b.signedBy("/x", "abc", time.Now())
	signedPayload(b.binding)
	b.store.SetBinding(b.binding, time.Now())
	if status := b.ask(b.serve(b.signer.VerifyHandler(true)), "/x", "abc", headers); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
}

func TestFailuresAreLimitedForCallerAndSlot(t *testing.T) {
	b := newBench(t)
	b.add(team, "payments", signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC})
	good := b.signedBy("/x", "", time.Now())
	serve := func(uris string, slot string, headers []string) int {
		recorder, request := recorded(forwardedRequest("/verify/"+slot, "POST", "/x", host, headers...))
		b.signer.VerifyHandler(false).ServeHTTP(recorder, by(request, as(t, strings.Fields(uris)...)))
		honest(t, recorder.Result())
		return recorder.Code
	}
	const one, other = "signet://verify/team-a", "signet://verify/team-a signet://verify/team-b"
	for range testLimits().FailureBurst {
		if status := serve(one, slotPath, good[1:]); status != http.StatusUnauthorized {
			t.Fatalf("status %d", status)
		}
	}
	for name, tc := range map[string]struct {
		caller, slot string
		headers      []string
		want         int
	}{
		"once more":          {one, slotPath, good[1:], http.StatusTooManyRequests},
		"a right one, too":   {one, slotPath, good, http.StatusTooManyRequests},
		"another caller":     {other, slotPath, good, http.StatusNoContent},
		"another slot":       {one, "team-a/RELEASE/API/payments", good, http.StatusUnauthorized},
		"a foreign one":      {one, "team-b/RELEASE/API/payments", good, http.StatusForbidden},
		"one that is not so": {one, "team-a/RELEASE/API/nothing", good, http.StatusServiceUnavailable},
	} {
		if status := serve(tc.caller, tc.slot, tc.headers); status != tc.want {
			t.Errorf("%s: %d, want %d", name, status, tc.want)
		}
	}
}

// slowBody says when it is read, and ends when it is told to.
type slowBody struct {
	read chan<- struct{}
	end  <-chan struct{}
}

func (b slowBody) Read([]byte) (int, error) {
	b.read <- struct{}{}
	<-b.end
	return 0, io.EOF
}

// Requests whose bodies are on their way have passed the limit before any of
// them has failed.
func TestFailuresAreLimitedWhileBodiesArrive(t *testing.T) {
	const together = 4
	b := newBench(t)
	now := time.Now()
	b.signer.now = func() time.Time { return now }
	handler := b.signer.VerifyHandler(true)
	read := make(chan struct{}, testLimits().FailureBurst*together)
	begin := func() (end chan<- struct{}, answer <-chan int) {
		ends, answers := make(chan struct{}), make(chan int, 1)
		recorder, request := recorded(forwardedRequest("/verify/"+slotPath, "POST", "/x", host))
		request.Body = io.NopCloser(slowBody{read, ends})
		go func() { handler.ServeHTTP(recorder, request); answers <- recorder.Code }()
		return ends, answers
	}
	var ends []chan<- struct{}
	var answers []<-chan int
	for range testLimits().FailureBurst * together {
		end, answer := begin()
		<-read
		ends, answers = append(ends, end), append(answers, answer)
	}
	now = now.Add(time.Second)
	for i := range ends {
		close(ends[i])
		want := http.StatusUnauthorized
		if i >= testLimits().FailureBurst {
			want = http.StatusTooManyRequests
		}
		if status := <-answers[i]; status != want {
			t.Errorf("request %d: %d, want %d", i, status, want)
		}
	}
	_, answer := begin()
	select {
	case status := <-answer:
		if status != http.StatusTooManyRequests {
			t.Errorf("beyond the limit: %d", status)
		}
	case <-read:
		t.Error("a body is read beyond the limit")
	}
}

func TestFailuresAreForgivenAndForgotten(t *testing.T) {
	f := newFailures(Limits{FailureRate: 10, FailureBurst: 2})
	now, who := time.Now(), failing{slot: slotOf(t)}
	for range 10 {
		f.note(who, now)
	}
	if !f.exhausted(who, now) || f.exhausted(who, now.Add(time.Second)) {
		t.Error("ten a second are forgiven")
	}
	for i := range rememberedFailures * 2 {
		f.note(failing{slot: slotOf(t), caller: [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}}, now)
	}
	if f.buckets.Len() != rememberedFailures {
		t.Errorf("%d are remembered", f.buckets.Len())
	}
}
