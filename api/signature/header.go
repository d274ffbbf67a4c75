// SPDX-License-Identifier: Apache-2.0

package signature

import "strings"

// signatureHeader is a parsed signature header of any type but Basic.
type signatureHeader struct {
	scheme, access string
	names          []string
	signature      string
}

// maxSignedHeaders limits the work that a request can cause. A binding has at most
// 16, and SDKs sign all headers that they send.
const maxSignedHeaders = 128

// parseHeader parses `<scheme> Access=…, SignedHeaders=…, Signature=…`. The names
// are in the buffers of the canonical request.
func (c *canonical) parseHeader(text string) (signatureHeader, error) {
	scheme, rest, found := strings.Cut(text, " ")
	if !found {
		return signatureHeader{}, ErrMalformed
	}
	if !isScheme(scheme) {
		return signatureHeader{}, ErrAlgorithm
	}
	header := signatureHeader{scheme: scheme}
	var list string
	if header.access, rest, found = cutField(rest, "Access="); !found {
		return header, because(ErrMalformed, "Access")
	}
	if list, rest, found = cutField(rest, "SignedHeaders="); !found {
		return header, because(ErrMalformed, "SignedHeaders")
	}
	if header.signature, found = strings.CutPrefix(rest, "Signature="); !found || header.signature == "" {
		return header, because(ErrMalformed, "Signature")
	}
	var err error
	header.names, err = c.splitNames(list)
	return header, err
}

// cutField cuts `<name>value, ` off the text. The space is optional, as in the
// official verifiers.
func cutField(text, name string) (value, rest string, found bool) {
	if text, found = strings.CutPrefix(text, name); !found {
		return "", "", false
	}
	value, rest, found = strings.Cut(text, ",")
	return value, strings.TrimPrefix(rest, " "), found && value != ""
}

// splitNames accepts only the form that signers write. Each list then has one form
// and contains no header twice.
func (c *canonical) splitNames(list string) ([]string, error) {
	names := c.names[:0]
	for rest, more := list, true; more; {
		var name string
		name, rest, more = strings.Cut(rest, ";")
		if !isLowerToken(name) {
			return nil, because(ErrSignedHeaders, "a name is not in lower case")
		}
		if len(names) > 0 && names[len(names)-1] >= name {
			return nil, because(ErrSignedHeaders, "not ascending, or a duplicate: "+name)
		}
		if len(names) == maxSignedHeaders {
			return nil, because(ErrSignedHeaders, "too many names")
		}
		names = append(names, name)
	}
	c.names = names
	return names, nil
}

func isScheme(name string) bool {
	switch name {
	case schemeHMAC, schemeECDSA, schemeRSA:
		return true
	}
	for _, kind := range ciphers {
		if kind.scheme == name {
			return true
		}
	}
	return false
}
