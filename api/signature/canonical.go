// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// The names of headers in the list of signed headers.
const (
	nameAuthorization = "authorization"
	nameDate          = "x-sdk-date"
	nameHost          = "host"
	namePayload       = "x-sdk-content-sha256"
)

const (
	// maxKept is the maximum size of the buffers that are kept for the next request.
	maxKept = 64 << 10
	// maxKeptParameters is the same for the number of parameters in a query.
	maxKeptParameters = 1 << 10
)

// covered is the part of a request that a signature covers.
type covered struct {
	request *Request
	// names are the signed headers: lower case, ascending, without duplicates.
	names []string
	// date and payload are the values of x-sdk-date and x-sdk-content-sha256. The
	// payload also represents the body.
	date, payload string
}

// canonical writes canonical requests into reusable buffers, so that a signature
// costs little more than its hashes.
type canonical struct {
	text   []byte
	query  query
	names  []string
	values []string
}

var canonicals = sync.Pool{New: func() any { return &canonical{} }}

func borrowCanonical() *canonical { return canonicals.Get().(*canonical) }

// release returns the buffers. Slices of them must not be used afterwards.
func (c *canonical) release() {
	if cap(c.text)+cap(c.query.decoded) > maxKept || cap(c.query.parameters) > maxKeptParameters {
		return
	}
	// The buffers must not keep strings of a request alive.
	clear(c.names[:cap(c.names)])
	clear(c.values[:cap(c.values)])
	canonicals.Put(c)
}

// stringToSign returns the text that a scheme signs: its own name, the date, and
// the hash of the canonical request. The text is valid until the next call.
func (c *canonical) stringToSign(scheme string, r *covered, order queryOrder) ([]byte, error) {
	if err := c.write(r, order); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(c.text)
	c.text = append(c.text[:0], scheme...)
	c.text = append(c.text, '\n')
	c.text = append(c.text, r.date...)
	c.text = append(c.text, '\n')
	c.text = hex.AppendEncode(c.text, sum[:])
	return c.text, nil
}

// write writes the canonical request: method, path, query, headers, their names,
// and the payload, one per line.
func (c *canonical) write(r *covered, order queryOrder) error {
	text, err := appendMethod(c.text[:0], r.request.Method)
	if err != nil {
		return err
	}
	path, rawQuery, _ := strings.Cut(r.request.Target, "?")
	if text, err = appendPath(append(text, '\n'), path); err != nil {
		return err
	}
	if err = c.query.parse(rawQuery); err != nil {
		return err
	}
	text = c.query.append(append(text, '\n'), order)
	text = append(text, '\n')
	for _, name := range r.names {
		if text, err = c.appendHeader(text, r, name); err != nil {
			return err
		}
	}
	for i, name := range r.names {
		separator := byte(';')
		if i == 0 {
			separator = '\n'
		}
		text = append(text, separator)
		text = append(text, name...)
	}
	text = append(text, '\n')
	text = append(text, r.payload...)
	c.text = text
	return nil
}

func appendMethod(dst []byte, method string) ([]byte, error) {
	if method == "" {
		return dst, ErrMethod
	}
	for i := range len(method) {
		b := method[i]
		// Methods are case-sensitive, and no verifier accepts lower case.
		if !isToken(b) || 'a' <= b && b <= 'z' {
			return dst, ErrMethod
		}
	}
	return append(dst, method...), nil
}

// appendHeader writes a line for each value of a header. They are sorted, so that
// the order in which proxies forward them does not matter.
func (c *canonical) appendHeader(dst []byte, r *covered, name string) ([]byte, error) {
	switch name {
	case nameHost:
		return appendHost(dst, trim(r.request.Host))
	case nameDate:
		return appendLine(dst, name, r.date)
	case namePayload:
		return appendLine(dst, name, r.payload)
	}
	values := r.request.Header.Values(name)
	switch len(values) {
	case 0:
		return dst, because(ErrMissingHeader, name)
	case 1:
		return appendLine(dst, name, trim(values[0]))
	}
	c.values = c.values[:0]
	for _, value := range values {
		c.values = append(c.values, trim(value))
	}
	slices.Sort(c.values)
	for _, value := range c.values {
		var err error
		if dst, err = appendLine(dst, name, value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func appendHost(dst []byte, host string) ([]byte, error) {
	if host == "" {
		return dst, ErrHost
	}
	for i := range len(host) {
		// HTTP clients change other characters before they send them.
		if b := host[i]; b <= ' ' || b >= 0x7f || b == '/' || b == '@' || b == '?' || b == '#' {
			return dst, ErrHost
		}
	}
	return appendLine(dst, nameHost, host)
}

// appendLine refuses values that contain lines.
func appendLine(dst []byte, name, value string) ([]byte, error) {
	if strings.ContainsAny(value, "\r\n\x00") {
		return dst, because(ErrHeaderValue, name)
	}
	dst = append(dst, name...)
	dst = append(dst, ':')
	dst = append(dst, value...)
	return append(dst, '\n'), nil
}

// trim removes the white space that is not part of a header's value: space and tab,
// as in RFC 9110, and no other character.
func trim(value string) string { return strings.Trim(value, " \t") }

// lower is strings.ToLower for ASCII alone. Other letters have a lower case in ASCII,
// such as the Kelvin sign.
func lower(text string) string {
	for i := range len(text) {
		if 'A' <= text[i] && text[i] <= 'Z' {
			changed := []byte(text)
			for ; i < len(changed); i++ {
				if b := changed[i]; 'A' <= b && b <= 'Z' {
					changed[i] = b + 'a' - 'A'
				}
			}
			return string(changed)
		}
	}
	return text
}

// isToken reports whether methods and header names can contain the byte.
func isToken(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// isLowerToken reports whether the text is the name of a header in lower case.
func isLowerToken(name string) bool {
	for i := range len(name) {
		if !isToken(name[i]) || 'A' <= name[i] && name[i] <= 'Z' {
			return false
		}
	}
	return name != ""
}
