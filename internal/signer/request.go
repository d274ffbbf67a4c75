// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"net/http"

	"github.com/signet-dev/signet/api/signature"
)

// The headers in which gateways and backends describe the request.
const (
	headerMethod = "X-Forwarded-Method"
	headerURI    = "X-Forwarded-Uri"
	headerHost   = "X-Forwarded-Host"
)

// parseForwarded returns the request that X-Forwarded-Method, -Uri and -Host
// describe. If a host is given, it replaces X-Forwarded-Host, which may then be
// missing.
func parseForwarded(header http.Header, host string) (*signature.Request, error) {
	request := &signature.Request{Header: header}
	var err error
	if request.Method, err = singleValue(header, headerMethod, true); err != nil {
		return nil, err
	}
	if request.Target, err = singleValue(header, headerURI, true); err != nil {
		return nil, err
	}
	if request.Host, err = singleValue(header, headerHost, host == ""); err != nil {
		return nil, err
	}
	if host != "" {
		request.Host = host
	}
	return request, nil
}

// singleValue returns the value of a header that must not be repeated: the
// backend could see either of two values.
func singleValue(header http.Header, name string, required bool) (string, error) {
	values := header[name]
	switch {
	case len(values) > 1:
		return "", malformed("duplicate header %s", name)
	case len(values) == 1 && values[0] != "":
		return values[0], nil
	case required:
		return "", malformed("missing header %s", name)
	}
	return "", nil
}
