// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                    "/",
		"/":                   "/",
		"/a":                  "/a/",
		"/a/":                 "/a/",
		"//a//b":              "//a//b/",
		"/./a/../b":           "/./a/../b/",
		"/a%2Fb":              "/a/b/",
		"/a%2fb":              "/a/b/",
		"/a%252Fb":            "/a%252Fb/",
		"/-_.~AZaz09":         "/-_.~AZaz09/",
		"/%41%2D%5F%2E%7E":    "/A-_.~/",
		"/a+c":                "/a%2Bc/",
		"/a%20b":              "/a%20b/",
		"/:@!$&'()*,;=":       "/%3A%40%21%24%26%27%28%29%2A%2C%3B%3D/",
		"/%e2%82%ac":          "/%E2%82%AC/",
		"/\xe2\x82\xac":       "/%E2%82%AC/",
		"/%00%0A%ff":          "/%00%0A%FF/",
		"/{x}|\\^`\"<>[]":     "/%7Bx%7D%7C%5C%5E%60%22%3C%3E%5B%5D/",
		"/%2F":                "//",
		"/a%3Fb":              "/a%3Fb/",
		"/ends/with/escape%2": "",
		"/%":                  "",
		"/%zz":                "",
		"/%1":                 "",
		"/a b":                "",
		"/a#b":                "",
		"/a\nb":               "",
		"/a\x7f":              "",
		"*":                   "",
		"a":                   "",
		"http://host/a":       "",
	} {
		got, err := appendPath([]byte("before"), path)
		if want == "" {
			if !errors.Is(err, ErrTarget) {
				t.Errorf("path %q: %q, %v, want ErrTarget", path, got, err)
			}
			continue
		}
		if err != nil || string(got) != "before"+want {
			t.Errorf("path %q: %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestQuery(t *testing.T) {
	for name, c := range map[string]struct{ raw, decoded, encoded string }{
		"none":                     {"", "", ""},
		"a name without a value":   {"a", "a=", "a="},
		"an empty value":           {"a=", "a=", "a="},
		"an empty name":            {"=1", "=1", "=1"},
		"nothing between two":      {"&&a=1&&", "a=1", "a=1"},
		"split at the first equal": {"a=b=c", "a=b%3Dc", "a=b%3Dc"},
		"plus is a space":          {"a+b=c+d%2B", "a%20b=c%20d%2B", "a%20b=c%20d%2B"},
		"no semicolons":            {"a=1;b=2", "a=1%3Bb%3D2", "a=1%3Bb%3D2"},
		"sorted by name":           {"b=2&a=1", "a=1&b=2", "a=1&b=2"},
		"then by value":            {"a=2&a=1&a=&a=10", "a=&a=1&a=10&a=2", "a=&a=1&a=10&a=2"},
		"names before values":      {"a-b=1&a=2", "a=2&a-b=1", "a=2&a-b=1"},
		"where orders differ":      {"a{=3&a:b=1&ab=4&a0=2", "a0=2&a%3Ab=1&ab=4&a%7B=3", "a%3Ab=1&a%7B=3&a0=2&ab=4"},
		"and in values":            {"a={&a=0", "a=0&a=%7B", "a=%7B&a=0"},
		"what needs no escape":     {"%41=%7e%2D", "A=~-", "A=~-"},
		"bytes":                    {"%ff=%00\xe2\x82\xac", "%FF=%00%E2%82%AC", "%FF=%00%E2%82%AC"},
	} {
		t.Run(name, func(t *testing.T) {
			var q query
			for range 2 { // the second time on used buffers
				if err := q.parse(c.raw); err != nil {
					t.Fatal(err)
				}
				if got := string(q.append(nil, decodedOrder)); got != c.decoded {
					t.Errorf("in decoded order: %q, want %q", got, c.decoded)
				}
				if got := q.ambiguous(); got != (c.decoded != c.encoded) {
					t.Errorf("ambiguous = %v", got)
				}
				if got := string(q.append(nil, encodedOrder)); got != c.encoded {
					t.Errorf("in encoded order: %q, want %q", got, c.encoded)
				}
			}
		})
	}
	for _, raw := range []string{"%", "a=%1", "%zz=1", "a=%g0", "a b", "a=\n", "a#b", "a=\x00"} {
		if err := new(query).parse(raw); !errors.Is(err, ErrTarget) {
			t.Errorf("query %q: %v, want ErrTarget", raw, err)
		}
	}
}

// TestCompareAsEncoded compares it with the comparison of the encoded texts.
func TestCompareAsEncoded(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			x, y := []byte{'x', byte(a)}, []byte{'x', byte(b)}
			want := strings.Compare(string(appendEscaped(nil, byte(a))), string(appendEscaped(nil, byte(b))))
			if got := compareAsEncoded(x, y); got < 0 != (want < 0) || got > 0 != (want > 0) {
				t.Fatalf("%#x, %#x: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestCanonicalRequest(t *testing.T) {
	signed := covered{
		request: &Request{Method: "POST", Target: "/a?b", Host: "h:1", Header: http.Header{
			"X-Many": {"  b  ", "a\t", "b c  d"}, "X-Empty": {""}, "X-Padded": {"\t p  q "}, "X-Spaces": {"\u00a0\v\f\u3000\u0085 "}, "X-Other": {"unsigned"},
		}},
		names: []string{"host", "x-empty", "x-many", "x-padded", "x-sdk-date", "x-spaces"}, date: "20240229T235959Z", payload: "hash",
	}
	c := &canonical{}
	if err := c.write(&signed, decodedOrder); err != nil {
		t.Fatal(err)
	}
	want := "POST\n/a/\nb=\nhost:h:1\nx-empty:\nx-many:a\nx-many:b\nx-many:b c  d\nx-padded:p  q\nx-sdk-date:20240229T235959Z\nx-spaces:\u00a0\v\f\u3000\u0085\n\nhost;x-empty;x-many;x-padded;x-sdk-date;x-spaces\nhash"
	if got := string(c.text); got != want {
		t.Errorf("canonical request:\n%q, want\n%q", got, want)
	}
}

func TestSignRefusesMalformedRequests(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Request)
		want   error
	}{
		"no method":               {func(r *Request) { r.Method = "" }, ErrMethod},
		"a method with a space":   {func(r *Request) { r.Method = "GET /" }, ErrMethod},
		"a method in lower case":  {func(r *Request) { r.Method = "patch" }, ErrMethod},
		"one letter of a method":  {func(r *Request) { r.Method = "PATCh" }, ErrMethod},
		"a Kelvin sign in a name": {func(r *Request) { r.SignedHeaders = []string{"x-\u212Aey"} }, ErrHeaderName},
		"a long s in a name":      {func(r *Request) { r.SignedHeaders = []string{"ho\u017Ft"} }, ErrHeaderName},
		"a broken escape":         {func(r *Request) { r.Target = "/%" }, ErrTarget},
		"a broken query":          {func(r *Request) { r.Target = "/?a=%" }, ErrTarget},
		"an absolute target":      {func(r *Request) { r.Target = "http://a/b" }, ErrTarget},
		"no host":                 {func(r *Request) { r.Host = "" }, ErrHost},
		"a host with a line":      {func(r *Request) { r.Host = "a\nb:c" }, ErrHost},
		"a host beyond ASCII":     {func(r *Request) { r.Host = "bücher.example" }, ErrHost},
		"a header with a line":    {func(r *Request) { r.Header = http.Header{"X-A": {"a\nx-b:c"}} }, ErrHeaderValue},
		"the second with a line":  {func(r *Request) { r.Header = http.Header{"X-A": {"a", "b\rc"}} }, ErrHeaderValue},
		"a name that is none":     {func(r *Request) { r.SignedHeaders = []string{"x a"} }, ErrHeaderName},
		"a name with a separator": {func(r *Request) { r.SignedHeaders = []string{"a;b"} }, ErrHeaderName},
		"the signature's header":  {func(r *Request) { r.SignedHeaders = []string{"Authorization"} }, ErrHeaderName},
		"no payload":              {func(r *Request) { r.Payload = "" }, ErrPayload},
		"a payload in upper case": {func(r *Request) { r.Payload = strings.ToUpper(EmptyPayload) }, ErrPayload},
		"half a payload":          {func(r *Request) { r.Payload = EmptyPayload[:32] }, ErrPayload},
	} {
		for kind, material := range materials() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				r := Request{Method: "GET", Target: "/a", Host: "h", SignedHeaders: []string{"X-A"}, Payload: EmptyPayload}
				c.change(&r)
				headers, err := mustKey(t, material).Sign(&r, signedAt)
				if !errors.Is(err, c.want) {
					t.Errorf("Sign: %v, want %v", err, c.want)
				}
				if _, ok := errors.AsType[*RefusalError](err); !ok {
					t.Errorf("Sign: %T, want *RefusalError", err)
				}
				if headers != (Headers{}) {
					t.Error("Sign returned headers with an error")
				}
			})
		}
	}
}

func TestSignedHeadersAreListedOnce(t *testing.T) {
	for kind, material := range signing() {
		t.Run(kind, func(t *testing.T) {
			key := mustKey(t, material)
			r := Request{
				Method: "GET", Target: "/", Host: "h", Header: http.Header{"X-A": {"1"}, "X-Sdk-Date": {"x"}},
				SignedHeaders: []string{"X-A", "host", "x-a", "X-Missing", "x-sdk-date"}, Payload: EmptyPayload,
			}
			headers, err := key.Sign(&r, signedAt)
			if err != nil {
				t.Fatal(err)
			}
			if want := "SignedHeaders=host;x-a;x-sdk-content-sha256;x-sdk-date,"; !strings.Contains(headers.Signature, want) {
				t.Errorf("signed: %s, want %s", headers.Signature, want)
			}
			headers.Set(r.Header, "")
			if _, err := mustVerifier(t, key, VerifierOptions{}).VerifyRequest(&r); err != nil {
				t.Error(err)
			}
		})
	}
}
