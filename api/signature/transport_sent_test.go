// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// sentRequests are what applications put into requests.
var sentRequests = map[string]func(*http.Request){
	"nothing else":          func(*http.Request) {},
	"a host with a zone":    func(r *http.Request) { r.URL.Host = "[::1%lo]:8080" },
	"a Host with a zone":    func(r *http.Request) { r.Host = "[fe80::1%25eth0]" },
	"a host beyond ASCII":   func(r *http.Request) { r.URL.Host = "b\u00fccher.example:80" },
	"a host in upper case":  func(r *http.Request) { r.URL.Host = "ORDERS.Example:80" },
	"a host with a dot":     func(r *http.Request) { r.URL.Host = "orders.example." },
	"another Host":          func(r *http.Request) { r.Host = "orders.internal" },
	"a key in odd case":     func(r *http.Request) { r.Header["SOAPAction"] = []string{"urn:a"} },
	"keys in several cases": func(r *http.Request) { r.Header["x-TAG"], r.Header["X-Tag"] = []string{"b"}, []string{"a", "c"} },
	"white space":           func(r *http.Request) { r.Header["X-Tag"] = []string{"\t a\u00a0 ", "\u3000b"} },
	"values of no value":    func(r *http.Request) { r.Header["X-Tag"] = []string{"", " "} },
	"a key without values":  func(r *http.Request) { r.Header["X-Tag"] = nil },
	"its own headers in odd case": func(r *http.Request) {
		r.Header["authorization"], r.Header["x-sdk-date"] = []string{"a"}, []string{"b"}
	},
	"a digest in odd case":               func(r *http.Request) { r.Header["X-SDK-Content-Sha256"] = []string{"c"} },
	"no user agent":                      func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
	"two user agents":                    func(r *http.Request) { r.Header["User-Agent"] = []string{"a", "b"} },
	"a user agent":                       func(r *http.Request) { r.Header.Set("User-Agent", "orders/1") },
	"headers that net/http writes":       func(r *http.Request) { r.Header["Host"], r.Header["Content-Length"] = []string{"x"}, []string{"9"} },
	"an encoding that net/http accepts":  func(r *http.Request) { r.Header.Set("Accept-Encoding", "br") },
	"cookies":                            func(r *http.Request) { r.Header.Set("Cookie", "a=1; b=2") },
	"a path that was escaped in its way": func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2Fb" },
	"an opaque part":                     func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/%2Fa?" },
	"no path":                            func(r *http.Request) { r.URL.Path = "" },
	"no method":                          func(r *http.Request) { r.Method = "" },
}

// TestTransportSignsWhatIsSent sends sentRequests over both
// versions of HTTP, to a verifier that demands every header to be signed.
func TestTransportSignsWhatIsSent(t *testing.T) {
	signed := []string{
		"SOAPAction", "x-tag", "Host", "Content-Length", "User-Agent", "Accept-Encoding", "Transfer-Encoding", "Trailer", "Cookie", "Upgrade",
	}
	key := mustKey(t, materials()["HMAC"])
	required := []string{"soapaction", "x-tag"}
	server := httptest.NewUnstartedServer(mustVerifier(t, key, VerifierOptions{Now: time.Now, RequiredHeaders: required}).Handler(http.NotFoundHandler()))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	for name, change := range sentRequests {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, HTTP/%d", name, version), func(t *testing.T) {
				base := &http.Transport{Protocols: &http.Protocols{}}
				base.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
				}
				base.Protocols.SetHTTP1(version == 1)
				base.Protocols.SetUnencryptedHTTP2(version == 2)
				t.Cleanup(base.CloseIdleConnections)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://orders.example/a?b", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				r.Host = ""
				change(r)
				response, err := (&Transport{Keys: key, Base: base, SignedHeaders: signed}).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
				if response.StatusCode != http.StatusNotFound {
					t.Errorf("response %d, want that of the handler", response.StatusCode)
				}
			})
		}
	}
}
