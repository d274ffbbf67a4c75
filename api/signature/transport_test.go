// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveVerified starts a server behind a verifier that echoes the request.
func serveVerified(t *testing.T, verifier *Verifier) string {
	t.Helper()
	server := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		for _, name := range []string{DefaultHeader, HeaderDate, HeaderPayload} {
			if len(r.Header.Values(name)) != 1 {
				t.Errorf("%s occurs %d times", name, len(r.Header.Values(name)))
			}
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, content) //nolint:gosec // not read by a browser
	})))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTransportAndHandler(t *testing.T) {
	targets := []string{"", "/", "/a%2Fb/%C3%BC/%7e+x", "//a//b/../c?", "/?a=1&a=&b&=c&%C3%BC=%20+%2B&z[]=1;2"}
	bodies := map[string]func() io.Reader{
		"no body":           func() io.Reader { return nil },
		"a body":            func() io.Reader { return strings.NewReader("\x00binary\xff") },
		"a body only once":  func() io.Reader { return io.MultiReader(strings.NewReader("only"), strings.NewReader("once")) },
		"an empty body":     func() io.Reader { return strings.NewReader("") },
		"an empty one once": func() io.Reader { return io.MultiReader() },
	}
	for kind, material := range materials() {
		key := mustKey(t, material)
		url := serveVerified(t, mustVerifier(t, key, VerifierOptions{Now: time.Now, RequiredHeaders: []string{"x-many"}}))
		client := &http.Client{Transport: &Transport{Keys: key, SignedHeaders: []string{"X-Many"}}}
		for name, body := range bodies {
			t.Run(kind+"/"+name, func(t *testing.T) {
				for _, target := range targets {
					r, err := http.NewRequestWithContext(t.Context(), "POST", url+target, body())
					if err != nil {
						t.Fatal(err)
					}
					r.Header["X-Many"] = []string{"b, c ", " a"}
					r.Header.Set(HeaderDate, "what a client sent is replaced")
					before := r.Header.Clone()
					response, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					content, _ := io.ReadAll(response.Body)
					_ = response.Body.Close()
					want := "POST " + r.URL.RequestURI() + " "
					if reader := body(); reader != nil {
						sent, _ := io.ReadAll(reader)
						want += string(sent)
					}
					if response.StatusCode != http.StatusOK || string(content) != want {
						t.Errorf("target %q: %d %q, want %q", target, response.StatusCode, content, want)
					}
					if fmt.Sprint(r.Header) != fmt.Sprint(before) {
						t.Error("the client's request was changed")
					}
				}
			})
		}
	}
}

func TestTransportWithUnsignedPayload(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	url := serveVerified(t, mustVerifier(t, key, VerifierOptions{Now: time.Now, AllowUnsignedPayload: true}))
	client := &http.Client{Transport: &Transport{Keys: key, UnsignedPayload: true, MaxBody: 1}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/a", io.MultiReader(strings.NewReader("streamed")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		t.Errorf("response %d", response.StatusCode)
	}
}

func TestTransportDoesNotSendUnsignedRequests(t *testing.T) {
	key := mustKey(t, materials()["HMAC"])
	public := pairs()["ECDSA"]
	public.Secret = nil
	for name, c := range map[string]struct {
		transport Transport
		target    string
		want      error
	}{
		"no keys":                {Transport{}, "/", ErrNoKey},
		"a public key":           {Transport{Keys: mustKey(t, public)}, "/", ErrCannotSign},
		"a header that is none":  {Transport{Keys: key, Header: "a b"}, "/", ErrHeaderName},
		"a header of its own":    {Transport{Keys: key, Header: "Date"}, "/", nil},
		"its header signed":      {Transport{Keys: key, SignedHeaders: []string{"authorization"}}, "/", ErrHeaderName},
		"a body beyond limits":   {Transport{Keys: key, MaxBody: 3}, "/", ErrBodyTooLarge},
		"a query with no escape": {Transport{Keys: key}, "/?a=50%", ErrTarget},
	} {
		t.Run(name, func(t *testing.T) {
			sent := false
			c.transport.Base = roundTripper(func(*http.Request) (*http.Response, error) {
				sent = true
				return &http.Response{Body: http.NoBody}, nil
			})
			body := &closeRecorder{Reader: bytes.NewReader([]byte("body"))}
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://h"+c.target, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = nil
			_, err = c.transport.RoundTrip(r)
			if !errors.Is(err, c.want) || sent != (c.want == nil) {
				t.Errorf("RoundTrip: %v, sent: %v, want %v", err, sent, c.want)
			}
			if !sent && !body.closed {
				t.Error("the body was not closed")
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
