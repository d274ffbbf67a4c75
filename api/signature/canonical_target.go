// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"slices"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// appendPath decodes the path and encodes it again, byte by byte: an escaped slash
// becomes a separator, dots and empty segments stay, and the result ends with a
// slash.
func appendPath(dst []byte, path string) ([]byte, error) {
	if path == "" {
		return append(dst, '/'), nil
	}
	if path[0] != '/' {
		return dst, because(ErrTarget, "the path does not start with a slash")
	}
	for i := 0; i < len(path); i++ {
		b := path[i]
		if !onWire(b) {
			return dst, because(ErrTarget, "the path contains a character that must be escaped")
		}
		if b == '%' {
			decoded, ok := unescape(path, i)
			if !ok {
				return dst, because(ErrTarget, "the path contains a broken escape")
			}
			b, i = decoded, i+2
		}
		if b == '/' {
			dst = append(dst, '/')
		} else {
			dst = appendEscaped(dst, b)
		}
	}
	if dst[len(dst)-1] != '/' {
		dst = append(dst, '/')
	}
	return dst, nil
}

// queryOrder is how the parameters of a query are sorted. The SDKs differ.
type queryOrder bool

const (
	// decodedOrder sorts the decoded parameters. This package signs in this order.
	decodedOrder queryOrder = false
	// encodedOrder sorts the encoded parameters.
	encodedOrder queryOrder = true
)

// query is a parsed query. Its buffers are reused for the next one.
type query struct {
	decoded    []byte
	parameters []parameter
}

// parameter is a decoded name with its value.
type parameter struct{ name, value []byte }

// parse skips empty pairs between two separators, and nothing else.
func (q *query) parse(raw string) error {
	// A decoded query is never longer, so the slices of the buffer stay valid.
	q.decoded = slices.Grow(q.decoded[:0], len(raw))
	q.parameters = slices.Grow(q.parameters[:0], strings.Count(raw, "&")+1)
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		decodedName, err := q.decode(name)
		if err != nil {
			return err
		}
		decodedValue, err := q.decode(value)
		if err != nil {
			return err
		}
		q.parameters = append(q.parameters, parameter{name: decodedName, value: decodedValue})
	}
	return nil
}

func (q *query) decode(text string) ([]byte, error) {
	begin := len(q.decoded)
	for i := 0; i < len(text); i++ {
		b := text[i]
		switch {
		case !onWire(b):
			return nil, because(ErrTarget, "the query contains a character that must be escaped")
		case b == '+':
			b = ' '
		case b == '%':
			decoded, ok := unescape(text, i)
			if !ok {
				return nil, because(ErrTarget, "the query contains a broken escape")
			}
			b, i = decoded, i+2
		}
		q.decoded = append(q.decoded, b)
	}
	return q.decoded[begin:], nil
}

// append sorts the parameters and writes them encoded.
func (q *query) append(dst []byte, order queryOrder) []byte {
	if order == encodedOrder {
		slices.SortFunc(q.parameters, compareEncoded)
	} else {
		slices.SortFunc(q.parameters, compareDecoded)
	}
	for i, p := range q.parameters {
		if i > 0 {
			dst = append(dst, '&')
		}
		for _, b := range p.name {
			dst = appendEscaped(dst, b)
		}
		dst = append(dst, '=')
		for _, b := range p.value {
			dst = appendEscaped(dst, b)
		}
	}
	return dst
}

// ambiguous reports, after an append in decoded order, whether the encoded order
// differs.
func (q *query) ambiguous() bool {
	return !slices.IsSortedFunc(q.parameters, compareEncoded)
}

func compareDecoded(a, b parameter) int {
	if c := bytes.Compare(a.name, b.name); c != 0 {
		return c
	}
	return bytes.Compare(a.value, b.value)
}

func compareEncoded(a, b parameter) int {
	if c := compareAsEncoded(a.name, b.name); c != 0 {
		return c
	}
	return compareAsEncoded(a.value, b.value)
}

// compareAsEncoded compares the encoded forms without encoding: the first byte that
// differs decides, and every escape sorts before every unescaped character, since
// '%' does.
func compareAsEncoded(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] { //nolint:gosec // i is less than both lengths
			return encodedRank(a[i]) - encodedRank(b[i]) //nolint:gosec // i is less than both lengths
		}
	}
	return len(a) - len(b)
}

func encodedRank(b byte) int {
	if isUnreserved(b) {
		return 0x100 + int(b)
	}
	return int(b)
}

func appendEscaped(dst []byte, b byte) []byte {
	if isUnreserved(b) {
		return append(dst, b)
	}
	return append(dst, '%', upperHex[b>>4], upperHex[b&15])
}

// unescape decodes the escape at the index.
func unescape(text string, at int) (byte, bool) {
	if at+2 >= len(text) {
		return 0, false
	}
	high, low := fromHex[text[at+1]], fromHex[text[at+2]]
	return (high-1)<<4 | (low - 1), high > 0 && low > 0
}

func isUnreserved(b byte) bool { return unreserved[b] }

// onWire reports whether a byte can be part of a request target. Bytes beyond ASCII
// are not allowed in URIs, but servers accept them.
func onWire(b byte) bool { return b > ' ' && b != 0x7f && b != '#' }

var (
	// unreserved contains the characters that RFC 3986 never encodes.
	unreserved [256]bool
	// fromHex is the value of a hexadecimal digit plus one, and 0 for other bytes.
	fromHex [256]byte
)

func init() {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for _, b := range []byte(letters + "0123456789-_.~") {
		unreserved[b] = true
	}
	for value, b := range []byte(upperHex) {
		fromHex[b] = byte(value) + 1
	}
	for value, b := range []byte("abcdef") {
		fromHex[b] = byte(value) + 11
	}
}
