package signer

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// BenchmarkSign is a request of 1 KiB through the sign face, without the network.
func BenchmarkSign(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	b.Run("the hashes alone", func(b *testing.B) {
		secret := bytes.Repeat([]byte("s"), 64)
		for b.Loop() {
			first := sha256.Sum256(body)
			second := sha256.Sum256(body[:300])
			mac := hmac.New(sha256.New, secret)
			mac.Write(first[:])
			mac.Write(second[:])
			mac.Sum(nil)
		}
	})
	b.Run("HMAC", func(b *testing.B) {
		bench := newBench(b, signedPayload)
		grant, err := bench.signer.lookup(slotOf(b), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		header := http.Header{headerMethod: {"POST"}, headerURI: {"/v1/items?b=2"}, headerHost: {host}}
		b.ReportAllocs()
		for b.Loop() {
			request, err := forwarded(header, "")
			if err != nil {
				b.Fatal(err)
			}
			sum := sha256.Sum256(body)
			request.Payload = hex.EncodeToString(sum[:])
			if _, err := bench.signer.sign(grant, request, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("the whole handler", func(b *testing.B) {
		bench := newBench(b, signedPayload)
		handler := bench.signer.SignHandler(true)
		recorder, request := recorded(forwardedRequest("/sign/"+slotPath, "POST", "/v1/items?b=2", host))
		b.ReportAllocs()
		for b.Loop() {
			request.Body = io.NopCloser(strings.NewReader(string(body)))
			handler.ServeHTTP(recorder, request)
		}
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Code)
		}
	})
}
