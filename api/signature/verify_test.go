// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// signCovered signs only the given headers, as some SDKs do.
func signCovered(t *testing.T, key *Key, r *http.Request, order queryOrder, payload string, names ...string) {
	t.Helper()
	signed := covered{
		request: &Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header},
		names:   names, date: signedAt.Format(DateLayout), payload: payload,
	}
	text, err := new(canonical).stringToSign(key.scheme.name(), &signed, order)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.scheme.appendSignature(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(HeaderDate, signed.date)
	r.Header.Set(DefaultHeader, key.scheme.name()+" Access="+key.access+", SignedHeaders="+strings.Join(names, ";")+", Signature="+string(signature))
}

func TestUnsignedDigestIsIgnored(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	verifier := mustVerifier(t, key, VerifierOptions{AllowUnsignedPayload: true})
	for name, c := range map[string]struct {
		claim, body string
		want        error
	}{
		"no claim":                     {"", signedBody, nil},
		"no claim, another body":       {"", "x", ErrMismatch},
		"a false claim":                {Digest([]byte("x")), signedBody, nil},
		"a false claim, another body":  {Digest([]byte("x")), "x", ErrMismatch},
		"the true one, another body":   {Digest([]byte(signedBody)), "x", ErrMismatch},
		"unsigned payload":             {UnsignedPayload, signedBody, nil},
		"unsigned payload, other body": {UnsignedPayload, "x", ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(c.body))
			signCovered(t, key, r, decodedOrder, Digest([]byte(signedBody)), "host", "x-sdk-date")
			if c.claim != "" {
				r.Header.Set(HeaderPayload, c.claim)
			}
			if _, err := verifier.Verify(r); !errors.Is(err, c.want) {
				t.Errorf("Verify: %v, want %v", err, c.want)
			}
			r.Header[HeaderPayload] = []string{EmptyPayload, c.claim}
			checkRefused(t, verifier, r, ErrDuplicateHeader)
		})
	}
}

func TestUnsignedPayload(t *testing.T) {
	for kind, material := range signing() {
		t.Run(kind, func(t *testing.T) {
			key := mustKey(t, material)
			unsigned := func() *http.Request {
				r := httptest.NewRequestWithContext(t.Context(), "POST", "/", brokenReader{})
				headers, err := key.Sign(&Request{Method: "POST", Target: "/", Host: r.Host, Payload: UnsignedPayload}, signedAt)
				if err != nil {
					t.Fatal(err)
				}
				headers.Set(r.Header, "")
				return r
			}
			// The body cannot be read, and must not be.
			if _, err := mustVerifier(t, key, VerifierOptions{AllowUnsignedPayload: true}).Verify(unsigned()); err != nil {
				t.Error(err)
			}
			checkRefused(t, mustVerifier(t, key, VerifierOptions{}), unsigned(), ErrUnsignedPayload)
			r := unsigned()
			r.Header.Set(HeaderPayload, EmptyPayload)
			r.Body = http.NoBody
			checkRefused(t, mustVerifier(t, key, VerifierOptions{AllowUnsignedPayload: true}), r, ErrMismatch)
		})
	}
}

func TestHostMustBeSigned(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	signCovered(t, key, r, decodedOrder, EmptyPayload, "x-sdk-date")
	checkRefused(t, mustVerifier(t, key, VerifierOptions{}), r, ErrUnsignedHeader)
	if _, err := mustVerifier(t, key, VerifierOptions{AllowUnsignedHost: true}).Verify(r); err != nil {
		t.Error(err)
	}
}

func TestVerifyAcceptsBothOrdersOfTheQuery(t *testing.T) {
	for kind, material := range signing() {
		key := mustKey(t, material)
		for name, order := range map[string]queryOrder{"decoded": decodedOrder, "encoded": encodedOrder} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				r := httptest.NewRequestWithContext(t.Context(), "GET", "/?a:b=1&a0=2&a{=3&ab=4", nil)
				signCovered(t, key, r, order, EmptyPayload, "host", "x-sdk-date")
				if _, err := mustVerifier(t, key, VerifierOptions{}).Verify(r); err != nil {
					t.Error(err)
				}
				r.URL.RawQuery = "a:b=1&a0=2&a{=4&ab=3"
				checkRefused(t, mustVerifier(t, key, VerifierOptions{}), r, ErrMismatch)
			})
		}
	}
}

func TestRequiredHeaders(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	verifier := mustVerifier(t, key, VerifierOptions{RequiredHeaders: []string{"Content-Type", "X-Tenant"}})
	if _, err := verifier.Verify(signedRequest(t, key)); err != nil {
		t.Errorf("without an optional header: %v", err)
	}
	r := signedRequest(t, key)
	r.Header.Set("X-Tenant", "planted")
	checkRefused(t, verifier, r, ErrUnsignedHeader)
}

func TestMaxBody(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	limit := int64(len(signedBody))
	passed := false
	serve := func(limit, announced int64) *httptest.ResponseRecorder {
		passed = false
		r := signedRequest(t, key)
		r.ContentLength = announced
		response := httptest.NewRecorder()
		mustVerifier(t, key, VerifierOptions{MaxBody: limit}).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			content, err := io.ReadAll(r.Body)
			if err != nil || string(content) != signedBody {
				t.Errorf("the handler read %q, %v", content, err)
			}
			passed = true
		})).ServeHTTP(response, r)
		return response
	}
	for name, announced := range map[string]int64{"announced": limit, "chunked": -1, "announced too short": 1} {
		t.Run(name, func(t *testing.T) {
			if response := serve(limit, announced); response.Code != http.StatusOK || !passed {
				t.Errorf("at the limit: %d %s", response.Code, response.Body)
			}
			if response := serve(math.MaxInt64, announced); response.Code != http.StatusOK || !passed {
				t.Errorf("without a limit: %d %s", response.Code, response.Body)
			}
			if response := serve(limit-1, announced); response.Code != http.StatusRequestEntityTooLarge || response.Body.String() != "Request Entity Too Large\n" || passed {
				t.Errorf("beyond the limit: %d %s", response.Code, response.Body)
			}
		})
	}
}

// endless is a body without end that counts the bytes read from it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestReadsNoMoreThanMaxBody(t *testing.T) {
	const limit = 10_000
	key := mustKey(t, materials()["HMAC"])
	r := signedRequest(t, key)
	body := &endless{}
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(body, 100*limit)), -1
	checkRefused(t, mustVerifier(t, key, VerifierOptions{MaxBody: limit}), r, ErrBodyTooLarge)
	if body.read > limit+1 {
		t.Errorf("%d bytes were read", body.read)
	}
}

// closeRecorder records whether the handler closes the server's body.
type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error { c.closed = true; return nil }

func TestBodyIsReadOnlyForAcceptableRequests(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	verifier := mustVerifier(t, key, VerifierOptions{})
	for name, forge := range map[string]func(*http.Request){
		"another key": edit("Access=", "Access=x"),
		"an old date": setHeader(HeaderDate, "20230101T000000Z"),
	} {
		t.Run(name, func(t *testing.T) {
			r := signedRequest(t, key)
			r.Body = io.NopCloser(brokenReader{})
			forge(r)
			if _, err := verifier.Verify(r); err == nil || errors.Is(err, ErrBody) {
				t.Errorf("Verify: %v", err)
			}
		})
	}
	r := signedRequest(t, key)
	body := &closeRecorder{Reader: strings.NewReader(signedBody)}
	r.Body = body
	if _, err := verifier.Verify(r); err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || !body.closed {
		t.Errorf("Close: %v, server's body closed: %v", err, body.closed)
	}
}

func TestHeaderOption(t *testing.T) {
	for kind, material := range materials() {
		t.Run(kind, func(t *testing.T) {
			key := mustKey(t, material)
			verifier := mustVerifier(t, key, VerifierOptions{Header: "x-signature"})
			r := signedRequest(t, key)
			checkRefused(t, verifier, r, ErrNoSignature)
			r.Header.Set("X-Signature", r.Header.Get(DefaultHeader))
			r.Header.Set(DefaultHeader, "Bearer of a user")
			if _, err := verifier.Verify(r); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVersionsWithOneIdentifier rotates only the secret.
func TestVersionsWithOneIdentifier(t *testing.T) {
	for _, kind := range []string{"HMAC", "Basic", "AES-256", "ECDSA"} {
		t.Run(kind, func(t *testing.T) {
			first, second := mustKey(t, materials()[kind]), mustKey(t, others()[kind])
			for name, keys := range map[string]KeyList{"first": {first, second}, "last": {second, first}} {
				signer, err := mustVerifier(t, keys, VerifierOptions{}).Verify(signedRequest(t, first))
				if err != nil || signer != first {
					t.Errorf("%s: %v, %v", name, signer == first, err)
				}
			}
			checkRefused(t, mustVerifier(t, KeyList{second}, VerifierOptions{}), signedRequest(t, first), ErrMismatch)
			checkRefused(t, mustVerifier(t, KeyList{}, VerifierOptions{}), signedRequest(t, first), ErrUnknownKey)
		})
	}
}

func TestVerifyRequest(t *testing.T) {
	for kind, material := range signing() {
		t.Run(kind, func(t *testing.T) {
			key := mustKey(t, material)
			r := Request{
				Method: "GRPC", Target: "/a/b?c", Host: "h", Header: http.Header{"X-A": {"1"}},
				SignedHeaders: []string{"X-A", "X-B"}, Payload: Digest([]byte("body")),
			}
			headers, err := key.Sign(&r, signedAt)
			if err != nil {
				t.Fatal(err)
			}
			headers.Set(r.Header, "X-Signature")
			verifier := mustVerifier(t, key, VerifierOptions{Header: "X-Signature"})
			if signer, err := verifier.VerifyRequest(&r); err != nil || signer != key {
				t.Errorf("VerifyRequest = %v, %v", signer == key, err)
			}
			for _, payload := range []string{"", UnsignedPayload, EmptyPayload} {
				r.Payload = payload
				if _, err := verifier.VerifyRequest(&r); !errors.Is(err, ErrPayloadMismatch) {
					t.Errorf("with the payload %q: %v", payload, err)
				}
			}
		})
	}
}

func TestInvalidOptions(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	for name, options := range map[string]VerifierOptions{
		"a header that is none":       {Header: "a b"},
		"a header that is signed":     {Header: "X-Sdk-Date"},
		"a negative window":           {Window: -time.Second},
		"a negative limit":            {MaxBody: -1},
		"a required name, none":       {RequiredHeaders: []string{""}},
		"the signature's own header":  {RequiredHeaders: []string{"x-signature"}, Header: "X-Signature"},
		"a header that is not signed": {RequiredHeaders: []string{"authorization"}, Header: "X-Signature"},
	} {
		if _, err := NewVerifier(key, options); err == nil {
			t.Errorf("%s: NewVerifier returned no error", name)
		}
	}
	if _, err := NewVerifier(nil, VerifierOptions{}); err == nil {
		t.Error("without keys: NewVerifier returned no error")
	}
}
