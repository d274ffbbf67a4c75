// SPDX-License-Identifier: Apache-2.0

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

// BenchmarkSign signs a request of 1 KiB for the sign endpoint, without network.
func BenchmarkSign(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1<<10)
	b.Run("only the hashes", func(b *testing.B) {
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
		fixture := newFixture(b, signedPayload)
		grant, err := fixture.signer.store.Snapshot().Lookup(testSlot(b), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		header := http.Header{headerMethod: {"POST"}, headerURI: {"/v1/items?b=2"}, headerHost: {host}}
		b.ReportAllocs()
		for b.Loop() {
			request, err := parseForwarded(header, "")
			if err != nil {
				b.Fatal(err)
			}
			sum := sha256.Sum256(body)
			request.Payload = hex.EncodeToString(sum[:])
			if _, err := fixture.signer.sign(grant, request, time.Now()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("handler", func(b *testing.B) {
		fixture := newFixture(b, signedPayload)
		handler := fixture.signer.SignHandler(true)
		recorder, request := recordRequest(forwardedRequest("/sign/"+slotPath, "POST", "/v1/items?b=2", host))
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
