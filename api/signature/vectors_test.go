// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// vector is a published example.
type vector struct {
	ID            string
	Method        string
	Host          string
	Target        string
	Headers       map[string]string
	Body          string
	Access        string
	Secret        string
	CanonicalHash string
	Signature     string
}

type cfbVector struct{ Source, Key, IV, Plaintext, Ciphertext string }

func readVectors(t *testing.T) (signatures []vector, cfb []cfbVector) {
	t.Helper()
	content, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Vectors []vector
		CFB     []cfbVector
	}
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Vectors) < 8 || len(all.CFB) < 2 {
		t.Fatalf("%d and %d vectors", len(all.Vectors), len(all.CFB))
	}
	return all.Vectors, all.CFB
}

func (v *vector) key(t *testing.T) *Key {
	return mustKey(t, Material{Type: HMAC, Key: Bytes(v.Access), Secret: Bytes(v.Secret)})
}

func (v *vector) names() []string { return slices.Sorted(maps.Keys(v.Headers)) }

func (v *vector) payload() string {
	if payload, there := v.Headers[namePayload]; there {
		return payload
	}
	return Digest([]byte(v.Body))
}

func (v *vector) header() http.Header {
	header := http.Header{}
	for name, value := range v.Headers {
		header.Set(name, value)
	}
	return header
}

func (v *vector) date(t *testing.T) time.Time {
	date, err := time.Parse(DateLayout, v.Headers[nameDate])
	if err != nil {
		t.Fatal(err)
	}
	return date
}

func TestSignaturesOfPublishedExamples(t *testing.T) {
	vectors, _ := readVectors(t)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			signed := covered{
				request: &Request{Method: v.Method, Target: v.Target, Host: v.Host, Header: v.header()},
				names:   v.names(), date: v.Headers[nameDate], payload: v.payload(),
			}
			c := &canonical{}
			if err := c.write(&signed, decodedOrder); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(c.text)
			if got := hex.EncodeToString(sum[:]); v.CanonicalHash != "" && got != v.CanonicalHash {
				t.Errorf("canonical request %q has the hash %s, want %s", c.text, got, v.CanonicalHash)
			}
			got, err := v.key(t).header(c, &signed)
			if err != nil {
				t.Fatal(err)
			}
			want := "SDK-HMAC-SHA256 Access=" + v.Access + ", SignedHeaders=" + strings.Join(v.names(), ";") + ", Signature=" + v.Signature
			if got != want {
				t.Errorf("signed:\n%s, want\n%s", got, want)
			}
		})
	}
}

func TestVerifyAcceptsPublishedExamples(t *testing.T) {
	vectors, _ := readVectors(t)
	for _, v := range vectors {
		t.Run(v.ID, func(t *testing.T) {
			target, err := url.ParseRequestURI("/" + strings.TrimPrefix(v.Target, "/"))
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequestWithContext(t.Context(), v.Method, "", strings.NewReader(v.Body))
			if err != nil {
				t.Fatal(err)
			}
			r.URL, r.Host, r.Header = target, v.Host, v.header()
			// A server has the host in another field.
			r.Header.Del("Host")
			r.Header.Set(DefaultHeader, "SDK-HMAC-SHA256 Access="+v.Access+", SignedHeaders="+strings.Join(v.names(), ";")+", Signature="+v.Signature)
			verifier := mustVerifier(t, v.key(t), VerifierOptions{
				AllowUnsignedPayload: true, AllowUnsignedHost: !slices.Contains(v.names(), nameHost),
				Now: func() time.Time { return v.date(t) },
			})
			if _, err := verifier.Verify(r); err != nil {
				t.Error(err)
			}
			r.URL.RawQuery += "&planted=1"
			if _, err := verifier.Verify(r); err == nil {
				t.Error("accepted another query")
			}
		})
	}
}

// TestSignReturnsThePublishedExample signs the example with exactly the headers that
// Sign always signs.
func TestSignReturnsThePublishedExample(t *testing.T) {
	vectors, _ := readVectors(t)
	v := vectors[slices.IndexFunc(vectors, func(v vector) bool { return v.ID == "unsigned-payload" })]
	headers, err := v.key(t).Sign(&Request{Method: v.Method, Target: v.Target, Host: v.Host, Payload: UnsignedPayload}, v.date(t))
	if err != nil {
		t.Fatal(err)
	}
	want := Headers{
		Signature: "SDK-HMAC-SHA256 Access=" + v.Access + ", SignedHeaders=host;x-sdk-content-sha256;x-sdk-date, Signature=" + v.Signature,
		Date:      v.Headers[nameDate],
		Payload:   UnsignedPayload,
	}
	if headers != want {
		t.Errorf("Sign = %q, %q, %q, want %q, %q, %q", headers.Signature, headers.Date, headers.Payload, want.Signature, want.Date, want.Payload)
	}
}

func TestCFBMatchesNISTVectors(t *testing.T) {
	_, vectors := readVectors(t)
	algorithms := map[int]Algorithm{16: AES128CFB, 32: AES256CFB}
	for _, v := range vectors {
		t.Run(v.Source, func(t *testing.T) {
			key := unhex(t, v.Key)
			aes := mustKey(t, Material{Type: AES, Algorithm: algorithms[len(key)], KeyID: "id", Key: key, Secret: unhex(t, v.IV)})
			text := [32]byte(unhex(t, v.Plaintext))
			aes.scheme.(*aesScheme).encrypt(&text)
			if got := hex.EncodeToString(text[:]); got != v.Ciphertext {
				t.Errorf("encrypted: %s, want %s", got, v.Ciphertext)
			}
		})
	}
}

func unhex(t *testing.T, digits string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
