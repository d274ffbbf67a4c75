// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signet-dev/signet/api/signature"
)

// request is what a client sends through a gateway.
type request struct {
	name, method, target string
	contentType          string
	body                 []byte
	// chunked has no length.
	chunked bool
	tags    []string
}

func requests(t *testing.T) []request {
	t.Helper()
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	form := url.Values{"a": {"1", "ä&=+"}, "b": {""}}.Encode()
	var parts bytes.Buffer
	writer := multipart.NewWriter(&parts)
	file, err := writer.CreateFormFile("file", "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write(binary)
	_ = writer.WriteField("field", "value")
	_ = writer.Close()
	return []request{
		{name: "GET", method: "GET", target: "/orders/1"},
		{name: "a query", method: "GET", target: "/orders?b=2&a=1&a=&c=%C3%A4+%2B&d"},
		{name: "an empty query", method: "GET", target: "/?"},
		{name: "an escaped space", method: "GET", target: "/orders/a%20b/%C3%A4;v=1/~x"},
		{name: "an escaped slash", method: "GET", target: "/orders/a%2Fb"},
		{name: "DELETE", method: "DELETE", target: "/orders/1"},
		{name: "JSON", method: "POST", target: "/orders", contentType: "application/json", body: []byte(`{"order":42,"name":"ä"}`)},
		{name: "an empty body", method: "POST", target: "/orders", contentType: "application/json"},
		{name: "a form", method: "POST", target: "/orders?a=0", contentType: "application/x-www-form-urlencoded", body: []byte(form)},
		{name: "multipart", method: "POST", target: "/orders", contentType: writer.FormDataContentType(), body: parts.Bytes()},
		{name: "binary", method: "PUT", target: "/orders/1", contentType: "application/octet-stream", body: binary},
		{name: "large", method: "PUT", target: "/orders/1", contentType: "application/octet-stream", body: bytes.Repeat(binary, 2000)},
		{name: "a body in chunks", method: "POST", target: "/orders", contentType: "text/plain", body: bytes.Repeat([]byte("chunk"), 5000), chunked: true},
		{name: "a header", method: "GET", target: "/orders", tags: []string{"a, b  c"}},
		{name: "an empty header", method: "GET", target: "/orders", tags: []string{""}},
		{name: "a header of Latin-1", method: "GET", target: "/orders", tags: []string{"caf\xe9"}},
		{name: "a header of UTF-8", method: "GET", target: "/orders", tags: []string{"café 漢"}},
		{name: "a repeated header", method: "GET", target: "/orders", tags: []string{"b", "a"}},
	}
}

// check sends all requests to the server.
func (s *server) check(t *testing.T, address string, version int, signed bool) {
	t.Helper()
	key, err := signature.NewKey(material)
	if err != nil {
		t.Fatal(err)
	}
	other := material
	other.Secret = append(slices.Clone(material.Secret), 'x')
	stranger, err := signature.NewKey(other)
	if err != nil {
		t.Fatal(err)
	}
	base := &http.Transport{Protocols: &http.Protocols{}}
	base.Protocols.SetHTTP1(version == 1)
	base.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(base.CloseIdleConnections)
	for _, r := range requests(t) {
		for who, signs := range map[string]*signature.Key{"": key, ", by a stranger": stranger} {
			transport := &signature.Transport{Keys: signs, Base: base, SignedHeaders: []string{"x-tag", "content-type"}, UnsignedPayload: !signed}
			got, err := r.send(t, transport, address)
			if err != nil {
				t.Errorf("%s%s, HTTP/%d: %v", r.name, who, version, err)
				continue
			}
			want := answer{http.StatusOK, material.KeyID, string(r.body)}
			if who != "" {
				want.status = http.StatusUnauthorized
			}
			for _, name := range []string{r.name, fmt.Sprintf("HTTP/%d: %s", version, r.name), fmt.Sprintf("%s: %s", payloads[signed], r.name)} {
				want.status = cmp.Or(s.refuses[name], want.status)
			}
			switch {
			case want.status == http.StatusUnauthorized:
				want.keyID, want.body = "", signature.PublicText
				got.body = strings.TrimSpace(got.body)
			case want.status != http.StatusOK:
				want.keyID, want.body = "", got.body
			case s.readsForms && r.name == "multipart":
				want.body = ""
			}
			if got != want {
				t.Errorf("%s%s, HTTP/%d: %.200v, want %.200v", r.name, who, version, got, want)
			}
		}
	}
}

var payloads = map[bool]string{false: "Unsigned", true: "Signed"}

// answer is what a server answers.
type answer struct {
	status      int
	keyID, body string
}

func (r *request) send(t *testing.T, transport http.RoundTripper, address string) (answer, error) {
	t.Helper()
	var sent io.Reader
	if r.body != nil {
		sent = bytes.NewReader(r.body)
	}
	if r.chunked {
		sent = io.MultiReader(sent)
	}
	built, err := http.NewRequestWithContext(t.Context(), r.method, fmt.Sprintf("http://%s%s", address, r.target), sent)
	if err != nil {
		return answer{}, err
	}
	if r.contentType != "" {
		built.Header.Set("Content-Type", r.contentType)
	}
	if r.tags != nil {
		built.Header["X-Tag"] = r.tags
	}
	response, err := transport.RoundTrip(built)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("X-Key-Id"), string(body)}, err
}
