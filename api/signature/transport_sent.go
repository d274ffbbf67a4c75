// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bufio"
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

// sentHost returns the host that net/http sends for a request: it encodes names beyond
// ASCII, and drops the zone of an IPv6 address.
func sentHost(r *http.Request) string {
	host := cmp.Or(r.Host, r.URL.Host)
	if strings.IndexFunc(host, func(c rune) bool { return c == '%' || c >= 0x80 }) < 0 {
		return host
	}
	// net/http does not export the rules, but it writes requests.
	var text bytes.Buffer
	probe := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: host, Path: "/"}, Host: host}
	if err := probe.Write(&text); err != nil {
		return host // signing and sending fail as well
	}
	sent, err := http.ReadRequest(bufio.NewReader(&text))
	if err != nil {
		return host
	}
	return sent.Host
}

// sentTarget returns the path and the query of the request target. A URL with an opaque
// part is sent as a whole.
func sentTarget(r *http.Request) string {
	target := r.URL.RequestURI()
	if r.URL.Opaque == "" {
		return target
	}
	rest, found := strings.CutPrefix(target, r.URL.Scheme+"://"+cmp.Or(r.Host, r.URL.Host))
	if found && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		return rest
	}
	return target
}

// sentHeader returns the headers that net/http sends, under their canonical names:
// servers receive them in whatever case a client writes them.
func sentHeader(header http.Header) http.Header {
	sent := make(http.Header, len(header))
	for name, values := range header {
		switch canonical := http.CanonicalHeaderKey(name); canonical {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection", "Proxy-Connection", "Keep-Alive", "Upgrade", "Te":
		case "User-Agent":
			// Only the first value is sent, unless it is empty.
			if name == canonical && len(values) > 0 && values[0] != "" {
				sent[canonical] = values[:1]
			}
		default:
			sent[canonical] = append(sent[canonical], values...)
		}
	}
	return sent
}
