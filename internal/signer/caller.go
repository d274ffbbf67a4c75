package signer

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
)

// Client certificates carry what they are for as URIs:
// signet://sign/<namespace>, signet://sign/* and signet://verify/<namespace>.
const (
	scheme        = "signet"
	verbSign      = "sign"
	verbVerify    = "verify"
	anyNamespace  = "*"
	noCertificate = "no client certificate"
)

// caller is who calls a face.
type caller struct {
	// certificate is the client's, verified; nil on a face without TLS, which
	// only this machine reaches.
	certificate *x509.Certificate
	local       bool
}

// callerOf finds out who is at the other end. Without TLS it is believed to be
// local only where the face is: on loopback.
func callerOf(state *tls.ConnectionState, local bool) caller {
	if state == nil {
		return caller{local: local}
	}
	if len(state.VerifiedChains) == 0 {
		return caller{}
	}
	return caller{certificate: state.VerifiedChains[0][0]}
}

// may says whether the caller may do that in the namespace; the error says why
// not, for the log. A connection may outlive its certificate, so the certificate
// is asked each time.
func (c caller) may(verb, namespace string, now time.Time) error {
	switch {
	case c.local:
		return nil
	case c.certificate == nil:
		return forbidden(noCertificate)
	case now.After(c.certificate.NotAfter):
		return forbidden("the client's certificate has ended")
	}
	for _, uri := range c.certificate.URIs {
		if granted := grantedNamespace(uri, verb); granted == namespace || (granted == anyNamespace && verb == verbSign) {
			return nil
		}
	}
	return forbidden("the client's certificate has no " + scheme + "://" + verb + "/" + namespace)
}

// grantedNamespace is the namespace of a URI for the verb; empty if it is not
// one, to the letter.
func grantedNamespace(uri *url.URL, verb string) string {
	namespace, found := strings.CutPrefix(uri.EscapedPath(), "/")
	if !found || uri.Scheme != scheme || uri.Host != verb || uri.User != nil || uri.RawQuery != "" || uri.ForceQuery || uri.Fragment != "" {
		return ""
	}
	return namespace
}

// identity tells callers apart.
func (c caller) identity() [sha256.Size]byte {
	if c.certificate == nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(c.certificate.Raw)
}

var errNotLoopback = errors.New("without --tls-cert only loopback addresses can be served")

// onLoopback says that only this machine reaches the address.
func onLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
