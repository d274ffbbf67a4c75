package signer

import (
	"net/http"

	"github.com/signet-dev/signet/api/signature"
)

// The headers in which gateways, and backends, say what the request is.
const (
	headerMethod = "X-Forwarded-Method"
	headerURI    = "X-Forwarded-Uri"
	headerHost   = "X-Forwarded-Host"
)

// forwarded is the request that X-Forwarded-Method, -Uri and -Host describe.
// Where the host is known already, it need not be said.
func forwarded(header http.Header, host string) (*signature.Request, error) {
	described := &signature.Request{Header: header}
	var err error
	if described.Method, err = single(header, headerMethod, true); err != nil {
		return nil, err
	}
	if described.Target, err = single(header, headerURI, true); err != nil {
		return nil, err
	}
	if described.Host, err = single(header, headerHost, host == ""); err != nil {
		return nil, err
	}
	if host != "" {
		described.Host = host
	}
	return described, nil
}

// single is the one value of a header. Of two nobody knows which one the backend
// will see.
func single(header http.Header, name string, required bool) (string, error) {
	values := header[name]
	switch {
	case len(values) > 1:
		return "", malformed("%s came %d times", name, len(values))
	case len(values) == 1 && values[0] != "":
		return values[0], nil
	case required:
		return "", malformed("%s is missing", name)
	}
	return "", nil
}
