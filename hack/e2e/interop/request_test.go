// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

const (
	unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
	headerName = "abcdefghijklmnopqrstuvwxyz0123456789-"
)

// sample is a random request: what it means, and how it is written on the wire.
type sample struct {
	access, secret string
	method, host   string
	// path and query are what SDKs are given: decoded.
	path  string
	query map[string][]string
	// target is the same as a client may write it.
	target string
	// header has no name twice, since neither SDK can have that.
	header map[string]string
	date   time.Time
	body   string
}

// alphabet is of what random texts are made. The SDKs have their limits.
type alphabet struct {
	path, text []rune
	// bytes is true if texts need not be UTF-8.
	bytes bool
	// outerSpace is true if header values may begin and end with spaces.
	outerSpace bool
}

// goAlphabet has all that there is: the Go SDK escapes byte by byte.
func goAlphabet() alphabet {
	all := []rune(" \t\n\x00!\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~üßé€日本🙂\ue000\uffff\u00a0")
	return alphabet{path: all, text: all, bytes: true, outerSpace: true}
}

// nodeAlphabet omits what the Node.js SDK treats differently:
//   - its url.parse escapes some characters of a path, which are then escaped
//     once more; it ends a path at '?' and '#', turns a backslash around, and
//     trims white space;
//   - it sorts by UTF-16 units, which is another order above U+DFFF;
//   - it does not trim the values of headers;
//   - its strings cannot be bytes that are no UTF-8.
func nodeAlphabet() alphabet {
	return alphabet{
		path: []rune("!$%&()*+,-./0:;=@A[]_a~üßé€日本🙂"),
		text: []rune(" \t\n\x00!\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~üßé€日本🙂\u00a0"),
	}
}

func randomSample(r *rand.Rand, a alphabet) *sample {
	s := &sample{
		access: "app_" + text(r, []rune(unreserved), 4, 20), secret: text(r, []rune(unreserved+"!@#$%"), 16, 64),
		method: []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}[r.IntN(7)],
		host:   "h" + text(r, []rune("abc019"), 0, 10) + ".example.com",
		header: map[string]string{}, query: map[string][]string{},
		date: time.Unix(r.Int64N(4e9), 0).UTC(),
	}
	if r.IntN(2) == 0 {
		s.host += fmt.Sprint(":", 1+r.IntN(65535))
	}
	s.path = "/" + randomText(r, a, a.path, 25)
	for range r.IntN(6) {
		name := randomText(r, a, a.text, 6)
		for range 1 + r.IntN(3) {
			s.query[name] = append(s.query[name], randomText(r, a, a.text, 8))
		}
	}
	for range r.IntN(5) {
		value := text(r, []rune("abc  ;:,=é\t"), 0, 20)
		if !a.outerSpace {
			value = strings.TrimSpace(value)
		}
		s.header["x-"+text(r, []rune(headerName), 1, 8)+"z"] = value
	}
	s.target = s.write(r)
	return s
}

// randomText is a text, or bytes where those are possible.
func randomText(r *rand.Rand, a alphabet, runes []rune, most int) string {
	if !a.bytes || r.IntN(4) > 0 {
		return text(r, runes, 0, most)
	}
	raw := make([]byte, r.IntN(most+1))
	for i := range raw {
		raw[i] = byte(r.UintN(256)) //nolint:gosec // below 256
	}
	return string(raw)
}

func text(r *rand.Rand, runes []rune, least, most int) string {
	var b strings.Builder
	for range least + r.IntN(most-least+1) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

// write is the target with every kind of escape: none, needless, in upper and in
// lower case; parameters in any order, with and without an equal sign, and
// with nothing between two separators.
func (s *sample) write(r *rand.Rand) string {
	var b strings.Builder
	b.WriteByte('/')
	escape(r, &b, s.path[1:], unreserved+"/:@!$&'()*+,;=", false)
	var pairs []string
	for name, values := range s.query {
		for _, value := range values {
			var pair strings.Builder
			escape(r, &pair, name, unreserved+"/:@!$'()*,;?", true)
			// A pair of nothing at all would be omitted without its sign.
			if value != "" || name == "" || r.IntN(2) == 0 {
				pair.WriteByte('=')
			}
			escape(r, &pair, value, unreserved+"/:@!$'()*,;?=", true)
			pairs = append(pairs, pair.String())
		}
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	if len(pairs) > 0 || r.IntN(2) == 0 {
		b.WriteString("?" + strings.Join(pairs, []string{"&", "&&"}[r.IntN(2)]))
	}
	return b.String()
}

func escape(r *rand.Rand, b *strings.Builder, text, plain string, query bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case query && c == ' ' && r.IntN(2) == 0:
			b.WriteByte('+')
		case strings.IndexByte(plain, c) >= 0 && r.IntN(4) > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(b, []string{"%%%02X", "%%%02x"}[r.IntN(2)], c)
		}
	}
}

// sign returns the signature of api/signature: of host, date, digest and all headers.
func (s *sample) sign(t *testing.T, payload string) signature.Headers {
	t.Helper()
	key, err := signature.NewKey(signature.Material{Type: signature.HMAC, Key: signature.Bytes(s.access), Secret: signature.Bytes(s.secret)})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	var names []string
	for name, value := range s.header {
		header.Set(name, value)
		names = append(names, name)
	}
	slices.Sort(names)
	headers, err := key.Sign(&signature.Request{
		Method: s.method, Target: s.target, Host: s.host, Header: header, SignedHeaders: names, Payload: payload,
	}, s.date)
	if err != nil {
		t.Fatalf("sign %q: %v", s.target, err)
	}
	return headers
}

// accepted has api/signature verify what an SDK has signed, body and all.
func (s *sample) accepted(authorization, body string) error {
	key, err := signature.NewKey(signature.Material{Type: signature.HMAC, Key: signature.Bytes(s.access), Secret: signature.Bytes(s.secret)})
	if err != nil {
		return err
	}
	verifier, err := signature.NewVerifier(key, signature.VerifierOptions{Now: func() time.Time { return s.date }})
	if err != nil {
		return err
	}
	r := signature.Request{Method: s.method, Target: s.target, Host: s.host, Header: http.Header{}, Payload: signature.Digest([]byte(body))}
	for name, value := range s.header {
		r.Header.Set(name, value)
	}
	r.Header.Set(signature.HeaderDate, s.date.Format(signature.DateLayout))
	r.Header.Set(signature.DefaultHeader, authorization)
	_, err = verifier.VerifyRequest(&r)
	return err
}
