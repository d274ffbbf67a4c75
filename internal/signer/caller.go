// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Client certificates carry their permissions as URIs:
// signet://sign/<namespace>, signet://sign/* and signet://verify/<namespace>.
const (
	scheme       = "signet"
	verbSign     = "sign"
	verbVerify   = "verify"
	anyNamespace = "*"
)

// reasonNoCertificate is the reason of a refusal.
const reasonNoCertificate = "no client certificate"

// caller is a client of an endpoint.
type caller struct {
	// certificate is the verified client certificate. It is nil on an endpoint
	// without TLS, which only this machine can reach.
	certificate *x509.Certificate
	local       bool
	identity    identity
	// conn is the connection on which the certificate was presented.
	conn *trackedConn
}

// identity distinguishes callers.
type identity [sha256.Size]byte

// callerOf returns the caller at the other end of a connection. Without a
// tracked connection the caller is local if the endpoint is: on loopback, without
// TLS.
func callerOf(conn *trackedConn, local bool) caller {
	if conn == nil {
		return caller{local: local}
	}
	return conn.caller
}

// newCaller returns the caller that has presented the certificate.
func newCaller(certificate *x509.Certificate, conn *trackedConn) caller {
	return caller{certificate: certificate, identity: identityOf(certificate), conn: conn}
}

// identityOf hashes the permissions of a certificate: several certificates with
// the same permissions share one quota.
func identityOf(certificate *x509.Certificate) identity {
	var uris []string
	for _, uri := range certificate.URIs {
		if uri.Scheme == scheme {
			uris = append(uris, uri.String())
		}
	}
	slices.Sort(uris)
	return sha256.Sum256([]byte(strings.Join(slices.Compact(uris), " ")))
}

// authorize returns an error unless the caller may do that in the namespace. The
// error's reason is for the log. A connection can outlive its certificate and
// its authority, so both are checked each time.
func (c caller) authorize(verb, namespace string, now time.Time) error {
	switch {
	case c.local:
		return nil
	case c.certificate == nil:
		return forbidden(reasonNoCertificate)
	}
	if err := c.conn.checkPeer(now); err != nil {
		return err
	}
	for _, uri := range c.certificate.URIs {
		if granted := grantedNamespace(uri, verb); granted == namespace || (granted == anyNamespace && verb == verbSign) {
			return nil
		}
	}
	return forbidden("client certificate without " + scheme + "://" + verb + "/" + namespace)
}

// grantedNamespace returns the namespace of a URI for the verb. It returns an
// empty string unless the URI has exactly that form.
func grantedNamespace(uri *url.URL, verb string) string {
	namespace, found := strings.CutPrefix(uri.EscapedPath(), "/")
	if !found || uri.Scheme != scheme || uri.Host != verb || uri.User != nil || uri.RawQuery != "" || uri.ForceQuery || uri.Fragment != "" {
		return ""
	}
	return namespace
}

// ErrNotLoopback is the error for an address that other machines can reach, on an
// endpoint without TLS.
var ErrNotLoopback = errors.New("only loopback addresses are allowed without --tls-cert")

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
