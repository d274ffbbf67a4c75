// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const signedBody = `{"order":42}`

// signedRequest returns a request as a server receives it, signed with the key.
func signedRequest(t *testing.T, key *Key) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/orders/a%20b?b=2&a=1", strings.NewReader(signedBody))
	r.Host = "orders.internal"
	r.Header.Set("Content-Type", "application/json")
	headers, err := key.Sign(&Request{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header,
		SignedHeaders: []string{"content-type"}, Payload: Digest([]byte(signedBody)),
	}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	headers.Set(r.Header, "")
	return r
}

// edit changes the value that carries the signature.
func edit(old, replacement string) func(*http.Request) {
	return func(r *http.Request) {
		value := r.Header.Get(DefaultHeader)
		if !strings.Contains(value, old) {
			panic(old + " is not in " + value)
		}
		r.Header.Set(DefaultHeader, strings.Replace(value, old, replacement, 1))
	}
}

func setHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func signatureOf(r *http.Request) string {
	_, signature, _ := strings.Cut(r.Header.Get(DefaultHeader), "Signature=")
	return signature
}

type forgery struct {
	forge func(*http.Request)
	want  error
}

// forgeries change one thing in a signed request. They apply to every type but
// Basic, which signs nothing.
var forgeries = map[string]forgery{
	"another method":            {func(r *http.Request) { r.Method = "PUT" }, ErrMismatch},
	"a space beyond ASCII":      {setHeader("Content-Type", "application/json\u00a0"), ErrMismatch},
	"a wide space before":       {setHeader("Content-Type", "\u3000application/json"), ErrMismatch},
	"a line tab after":          {setHeader("Content-Type", "application/json\v"), ErrMismatch},
	"Basic with a long s":       {setHeader(DefaultHeader, "Ba\u017Fic b3JkZXJzOnBhc3M="), ErrAlgorithm},
	"the method in lower":       {func(r *http.Request) { r.Method = "post" }, ErrMethod},
	"another path":              {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/orders/a b/c", "" }, ErrMismatch},
	"dots in the path":          {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/x/../orders/a b", "" }, ErrMismatch},
	"a path escaped twice":      {func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/orders/a%20b", "" }, ErrMismatch},
	"another query":             {func(r *http.Request) { r.URL.RawQuery = "b=2&a=2" }, ErrMismatch},
	"a parameter more":          {func(r *http.Request) { r.URL.RawQuery += "&c=3" }, ErrMismatch},
	"a parameter that Go drops": {func(r *http.Request) { r.URL.RawQuery += "&c;d=3" }, ErrMismatch},
	"a parameter less":          {func(r *http.Request) { r.URL.RawQuery = "b=2" }, ErrMismatch},
	"a parameter twice":         {func(r *http.Request) { r.URL.RawQuery += "&a=1" }, ErrMismatch},
	"values swapped":            {func(r *http.Request) { r.URL.RawQuery = "b=1&a=2" }, ErrMismatch},
	"a broken query":            {func(r *http.Request) { r.URL.RawQuery += "&c=%" }, ErrTarget},
	"another host":              {func(r *http.Request) { r.Host = "billing.internal" }, ErrMismatch},
	"the host in the headers":   {func(r *http.Request) { r.Header.Set("Host", r.Host); r.Host = "billing.internal" }, ErrMismatch},
	"no host":                   {func(r *http.Request) { r.Host = "" }, ErrHost},
	"another signed header":     {setHeader("Content-Type", "text/plain"), ErrMismatch},
	"a signed header twice":     {setHeader("Content-Type", "application/json", "application/json"), ErrMismatch},
	"a signed header less":      {func(r *http.Request) { r.Header.Del("Content-Type") }, ErrMissingHeader},
	"a line in a header":        {setHeader("Content-Type", "application/json\nx-sdk-date:1"), ErrHeaderValue},
	"another body":              {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"order":43}`)) }, ErrPayloadMismatch},
	"a longer body":             {func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(signedBody + " ")) }, ErrPayloadMismatch},
	"no body":                   {func(r *http.Request) { r.Body = http.NoBody }, ErrPayloadMismatch},
	"another body and digest": {func(r *http.Request) {
		r.Body = io.NopCloser(strings.NewReader("x"))
		r.Header.Set(HeaderPayload, Digest([]byte("x")))
	}, ErrMismatch},
	"a body that breaks off":     {func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) }, ErrBody},
	"the digest twice":           {setHeader(HeaderPayload, Digest([]byte(signedBody)), UnsignedPayload), ErrDuplicateHeader},
	"the digest twice, the same": {setHeader(HeaderPayload, Digest([]byte(signedBody)), Digest([]byte(signedBody))), ErrDuplicateHeader},
	"no digest":                  {func(r *http.Request) { r.Header.Del(HeaderPayload) }, ErrMissingHeader},
	"a digest that is none":      {setHeader(HeaderPayload, "0"), ErrPayload},
	"the digest in upper case":   {func(r *http.Request) { r.Header.Set(HeaderPayload, strings.ToUpper(r.Header.Get(HeaderPayload))) }, ErrPayload},
	"unsigned payload":           {setHeader(HeaderPayload, UnsignedPayload), ErrUnsignedPayload},
	"a digest no longer signed":  {edit("x-sdk-content-sha256;", ""), ErrMismatch},

	"another date":           {setHeader(HeaderDate, "20240301T000000Z"), ErrMismatch},
	"no date":                {func(r *http.Request) { r.Header.Del(HeaderDate) }, ErrMissingHeader},
	"an empty date":          {setHeader(HeaderDate, ""), ErrMissingHeader},
	"the date twice":         {setHeader(HeaderDate, "20240229T235959Z", "20240229T235959Z"), ErrDuplicateHeader},
	"a date of another sort": {setHeader(HeaderDate, "2024-02-29T23:59:59Z"), ErrDate},
	"a date with a fraction": {setHeader(HeaderDate, "20240229T235959.5Z"), ErrDate},
	"a day that is none":     {setHeader(HeaderDate, "20240230T235959Z"), ErrDate},
	"a date not signed":      {edit(";x-sdk-date", ""), ErrUnsignedHeader},
	"a host not signed":      {edit("host;", ""), ErrUnsignedHeader},

	"no signature":              {func(r *http.Request) { r.Header.Del(DefaultHeader) }, ErrNoSignature},
	"an empty signature":        {setHeader(DefaultHeader, ""), ErrNoSignature},
	"two signatures":            {func(r *http.Request) { r.Header.Add(DefaultHeader, r.Header.Get(DefaultHeader)) }, ErrDuplicateHeader},
	"a second, empty signature": {func(r *http.Request) { r.Header.Add(DefaultHeader, "") }, ErrDuplicateHeader},
	"one word":                  {setHeader(DefaultHeader, "garbage"), ErrMalformed},
	"garbage":                   {setHeader(DefaultHeader, "\x00\xff ,;= "), ErrAlgorithm},
	"another scheme":            {setHeader(DefaultHeader, "Bearer abc"), ErrAlgorithm},
	"an algorithm that is none": {func(r *http.Request) { renameScheme(r, "SDK-HMAC-SHA1") }, ErrAlgorithm},
	"the scheme in lower case":  {func(r *http.Request) { renameScheme(r, "sdk-hmac-sha256") }, ErrAlgorithm},
	"the scheme alone":          {func(r *http.Request) { r.Header.Set(DefaultHeader, schemeOf(r)+" ") }, ErrMalformed},
	"no access":                 {edit("Access=", "Acces="), ErrMalformed},
	"another key":               {edit("Access=", "Access=x"), ErrUnknownKey},
	"an empty key": {func(r *http.Request) {
		r.Header.Set(DefaultHeader, schemeOf(r)+" Access=, SignedHeaders=host;x-sdk-date, Signature=00")
	}, ErrMalformed},
	"no list":                    {edit("SignedHeaders=content-type;host;x-sdk-content-sha256;x-sdk-date, ", ""), ErrMalformed},
	"a list not in order":        {edit("content-type;host", "host;content-type"), ErrSignedHeaders},
	"a header twice in the list": {edit("host;", "host;host;"), ErrSignedHeaders},
	"a list in upper case":       {edit("host;", "Host;"), ErrSignedHeaders},
	"a name that is none":        {edit("host;", ";host;"), ErrSignedHeaders},
	"a name with a space":        {edit("host;", "host; "), ErrSignedHeaders},
	"its own header":             {edit("content-type;", "authorization;content-type;"), ErrSignedHeaders},
	"a list without end":         {edit("x-sdk-date", "x-sdk-date;y"+strings.Join(manyNames(), ";y")), ErrSignedHeaders},
	"a header more in the list":  {func(r *http.Request) { r.Header.Set("X-A", "1"); edit("host;", "host;x-a;")(r) }, ErrMismatch},
	"a header that is not there": {edit("x-sdk-date", "x-sdk-date;x-z"), ErrMissingHeader},
	"a header less in the list":  {edit("content-type;", ""), ErrMismatch},

	"no signature in it":        {func(r *http.Request) { edit(signatureOf(r), "")(r) }, ErrMalformed},
	"a shorter signature":       {func(r *http.Request) { s := signatureOf(r); edit(s, s[:len(s)-1])(r) }, ErrMismatch},
	"half a signature":          {func(r *http.Request) { s := signatureOf(r); edit(s, s[:len(s)/2/4*4])(r) }, ErrMismatch},
	"a longer signature":        {func(r *http.Request) { s := signatureOf(r); edit(s, s+"0")(r) }, ErrMismatch},
	"a changed signature":       {func(r *http.Request) { s := signatureOf(r); edit(s, flip(s[:1])+s[1:])(r) }, ErrMismatch},
	"a signature in upper case": {func(r *http.Request) { s := signatureOf(r); edit(s, strings.ToUpper(s))(r) }, ErrMismatch},
	"a field after it":          {func(r *http.Request) { s := signatureOf(r); edit(s, s+", Signature="+s)(r) }, ErrMismatch},
	"a line break in it":        {func(r *http.Request) { s := signatureOf(r); edit(s, s[:8]+"\n"+s[8:])(r) }, ErrMismatch},
	"a line break after it":     {func(r *http.Request) { s := signatureOf(r); edit(s, s+"\r\n")(r) }, ErrMismatch},
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func schemeOf(r *http.Request) string {
	name, _, _ := strings.Cut(r.Header.Get(DefaultHeader), " ")
	return name
}

func renameScheme(r *http.Request, name string) { edit(schemeOf(r), name)(r) }

func manyNames() []string {
	var names []string
	for i := range 200 {
		names = append(names, string([]byte{byte('a' + i/26), byte('a' + i%26)}))
	}
	return names
}

func flip(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}

// signing are the kinds that sign.
func signing() map[string]Material {
	all := materials()
	delete(all, "Basic")
	return all
}

func TestForgeriesAreRefused(t *testing.T) {
	for kind, material := range signing() {
		key := mustKey(t, material)
		verifier := mustVerifier(t, key, VerifierOptions{})
		t.Run(kind, func(t *testing.T) {
			if signer, err := verifier.Verify(signedRequest(t, key)); err != nil || signer != key {
				t.Fatalf("Verify of a valid request = %v, %v", signer, err)
			}
			for name, f := range forgeries {
				t.Run(name, func(t *testing.T) {
					r := signedRequest(t, key)
					f.forge(r)
					checkRefused(t, verifier, r, f.want)
				})
			}
		})
	}
}

func checkRefused(t *testing.T, verifier *Verifier, r *http.Request, want error) {
	t.Helper()
	signer, err := verifier.Verify(r)
	if signer != nil || !errors.Is(err, want) {
		t.Errorf("Verify = %v, %v, want %v", signer, err, want)
	}
	if _, ok := errors.AsType[*RefusalError](err); !ok {
		t.Errorf("Verify: %T, want *RefusalError", err)
	}
}

func TestSignaturesOfOtherKeysAreRefused(t *testing.T) {
	for kind, material := range others() {
		t.Run(kind, func(t *testing.T) {
			verifier := mustVerifier(t, mustKey(t, materials()[kind]), VerifierOptions{})
			checkRefused(t, verifier, signedRequest(t, mustKey(t, material)), ErrMismatch)
		})
	}
}

// TestSignaturesOfOtherTypesAreRefused verifies with every type the signatures of
// all others, with the same ID and name.
func TestSignaturesOfOtherTypesAreRefused(t *testing.T) {
	all := materials()
	for kind, m := range all {
		m.KeyID = "orders_app"
		all[kind] = m
	}
	for signs, material := range all {
		for verifies, other := range all {
			if signs == verifies {
				continue
			}
			t.Run(signs+" for "+verifies, func(t *testing.T) {
				r := signedRequest(t, mustKey(t, material))
				checkRefused(t, mustVerifier(t, mustKey(t, other), VerifierOptions{}), r, ErrUnknownKey)
				if verifies != "Basic" && signs != "Basic" {
					renameScheme(r, mustKey(t, other).scheme.name())
					checkRefused(t, mustVerifier(t, mustKey(t, other), VerifierOptions{}), r, ErrMismatch)
				}
			})
		}
	}
}

func TestWindow(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	for name, c := range map[string]struct {
		window, offset time.Duration
		want           error
	}{
		"now":                     {0, 0, nil},
		"at the edge, late":       {0, 15 * time.Minute, nil},
		"beyond the edge, late":   {0, 15*time.Minute + 1, ErrOutsideWindow},
		"at the edge, early":      {0, -15 * time.Minute, nil},
		"beyond the edge, early":  {0, -15*time.Minute - 1, ErrOutsideWindow},
		"in another century":      {0, 900_000 * time.Hour, ErrOutsideWindow},
		"own window, at the edge": {time.Minute, time.Minute, nil},
		"own window, beyond":      {time.Minute, -time.Minute - 1, ErrOutsideWindow},
	} {
		t.Run(name, func(t *testing.T) {
			verifier := mustVerifier(t, key, VerifierOptions{Window: c.window, Now: func() time.Time { return signedAt.Add(c.offset) }})
			if _, err := verifier.Verify(signedRequest(t, key)); !errors.Is(err, c.want) {
				t.Errorf("Verify: %v, want %v", err, c.want)
			}
		})
	}
}

func TestBasicRefusesOtherCredentials(t *testing.T) {
	key := mustKey(t, materials()["Basic"])
	good, err := key.Sign(&Request{Method: "GET", Target: "/", Host: "h", Payload: EmptyPayload}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Basic b3JkZXJzOnBhc3M6d29yZCFAIyQl"; good.Signature != want {
		t.Fatalf("signed: %s, want %s", good.Signature, want)
	}
	verifier := mustVerifier(t, key, VerifierOptions{})
	for value, want := range map[string]error{
		good.Signature: nil,
		"basic" + strings.TrimPrefix(good.Signature, "Basic"): nil,
		"":                                       ErrNoSignature,
		"Basic":                                  ErrMalformed,
		"Basic ":                                 ErrMismatch,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQ=":     ErrMismatch,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQlIQ":   ErrMalformed,
		"Basic b3JkZXJzOnBhc3M6d29yZCFAIyQlIQ==": ErrMismatch,
		"Basic  b3JkZXJzOnBhc3M6d29yZCFAIyQl":    ErrMalformed,
		"Basic b3JkZXJzOg==":                     ErrMismatch,
		"Basic orders:pass:word!@#$%":            ErrMalformed,
		good.Signature + "\n":                    ErrMalformed,
		"Basic b3Jk\r\nZXJzOnBhc3M6d29yZCFAIyQl": ErrMalformed,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.Header.Set(DefaultHeader, value)
		if _, err := verifier.Verify(r); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header[DefaultHeader] = []string{good.Signature, good.Signature}
	checkRefused(t, verifier, r, ErrDuplicateHeader)
}

// TestResponsesDoNotRevealTheReason expects one response for all forgeries, and a
// log with the reason.
func TestResponsesDoNotRevealTheReason(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	var log bytes.Buffer
	var reported error
	handler := mustVerifier(t, key, VerifierOptions{
		Logger:    slog.New(slog.NewTextHandler(&log, nil)),
		OnRefusal: func(_ *http.Request, err error) { reported = err },
	}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a forgery was accepted") }))
	for name, f := range forgeries {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			r := signedRequest(t, key)
			f.forge(r)
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, r)
			if response.Code != http.StatusUnauthorized || response.Body.String() != PublicText+"\n" {
				t.Errorf("response %d %q", response.Code, response.Body)
			}
			if !errors.Is(reported, f.want) || !strings.Contains(log.String(), f.want.Error()) {
				t.Errorf("reported %v, logged %s", reported, &log)
			}
			if strings.Contains(log.String(), string(materials()["HMAC"].Secret)) {
				t.Error("the secret was logged")
			}
		})
	}
}

// TestCredentialHasOneForm sets trailing bits that base64 does not use.
func TestCredentialHasOneForm(t *testing.T) {
	verifier := mustVerifier(t, mustKey(t, Material{Type: Basic, Key: Bytes("orders"), Secret: Bytes("pass")}), VerifierOptions{})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.Header.Set(DefaultHeader, "Basic b3JkZXJzOnBhc3M=")
	if _, err := verifier.Verify(r); err != nil {
		t.Error(err)
	}
	r.Header.Set(DefaultHeader, "Basic b3JkZXJzOnBhc3N=")
	checkRefused(t, verifier, r, ErrMalformed)
}

// TestSignatureHasOneForm uses RSA, whose 256 bytes leave bits of their base64
// unused: only A, Q, g or w before the padding are valid.
func TestSignatureHasOneForm(t *testing.T) {
	key := mustKey(t, materials()["RSA"])
	r := signedRequest(t, key)
	value := r.Header.Get(DefaultHeader)
	last := len(value) - len("==") - 1
	r.Header.Set(DefaultHeader, value[:last]+string(value[last]+1)+"==")
	checkRefused(t, mustVerifier(t, key, VerifierOptions{}), r, ErrMismatch)
}
