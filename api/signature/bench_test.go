// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// maxAllocations is the budget for one HMAC signature, including the digest of the
// body and the header.
const maxAllocations = 10

func benchRequest(body []byte) *Request {
	return &Request{
		Method: "POST", Target: "/v1/orders/a%20b?limit=10&marker=abc", Host: "orders.internal",
		Header: http.Header{"Content-Type": {"application/json"}}, SignedHeaders: []string{"content-type"}, Payload: Digest(body),
	}
}

func TestAllocationsPerSignature(t *testing.T) {
	if raceDetector {
		t.Skip("pools keep too little under the race detector")
	}
	key := mustKey(t, materials()["HMAC"])
	body := make([]byte, 1<<10)
	signing := testing.AllocsPerRun(1000, func() {
		if _, err := key.Sign(benchRequest(body), signedAt); err != nil {
			t.Fatal(err)
		}
	})
	if signing > maxAllocations {
		t.Errorf("%v allocations, want at most %d", signing, maxAllocations)
	}
	t.Logf("%v allocations", signing)
}

// BenchmarkSign signs with every type, including the digest of the body.
func BenchmarkSign(b *testing.B) {
	for _, kind := range []string{"HMAC", "Basic", "AES-256", "ECDSA", "RSA"} {
		key := mustKey(b, materials()[kind])
		eachBody(b, kind, func(b *testing.B, body []byte) {
			for b.Loop() {
				if _, err := key.Sign(benchRequest(body), signedAt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify verifies as a server does, including reading and closing the body.
// Budget: with 64 KiB, at most 1.5 times BenchmarkSign.
func BenchmarkVerify(b *testing.B) {
	for _, kind := range []string{"HMAC", "Basic", "AES-256", "ECDSA", "RSA"} {
		key := mustKey(b, materials()[kind])
		verifier := mustVerifier(b, key, VerifierOptions{Now: func() time.Time { return signedAt }})
		eachBody(b, kind, func(b *testing.B, body []byte) {
			described := benchRequest(body)
			headers, err := key.Sign(described, signedAt)
			if err != nil {
				b.Fatal(err)
			}
			r := httptest.NewRequestWithContext(b.Context(), described.Method, described.Target, nil)
			r.Host, r.Header, r.ContentLength = described.Host, described.Header, int64(len(body))
			headers.Set(r.Header, "")
			for b.Loop() {
				r.Body = &closeRecorder{Reader: bytes.NewReader(body)}
				if _, err := verifier.Verify(r); err != nil {
					b.Fatal(err)
				}
				_ = r.Body.Close()
			}
		})
	}
}

// BenchmarkPrimitives computes the two SHA-256 and the HMAC that every signature
// needs, for comparison. Budget: with 1 KiB, BenchmarkSign takes at most twice as long.
func BenchmarkPrimitives(b *testing.B) {
	signed := covered{request: benchRequest(nil), names: []string{"content-type", "host", "x-sdk-content-sha256", "x-sdk-date"},
		date: signedAt.Format(DateLayout), payload: EmptyPayload}
	c := &canonical{}
	if err := c.write(&signed, decodedOrder); err != nil {
		b.Fatal(err)
	}
	secret := materials()["HMAC"].Secret
	eachBody(b, "HMAC", func(b *testing.B, body []byte) {
		for b.Loop() {
			payload := sha256.Sum256(body)
			sum := sha256.Sum256(c.text)
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte("SDK-HMAC-SHA256\n20240229T235959Z\n" + hex.EncodeToString(sum[:])))
			mac.Sum(payload[:0])
		}
	})
}

func eachBody(b *testing.B, kind string, run func(b *testing.B, body []byte)) {
	for _, size := range []int{0, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%s/%dKiB", kind, size>>10), func(b *testing.B) {
			b.ReportAllocs()
			run(b, make([]byte, size))
		})
	}
}
