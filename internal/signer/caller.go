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
	who         identity
	// over is the connection that the certificate came by.
	over *trackedConn
}

// identity tells callers apart.
type identity [sha256.Size]byte

// callerOf is who is at the other end of a connection. Without one, on a face
// without TLS, it is believed to be local only where the face is: on loopback.
func callerOf(over *trackedConn, local bool) caller {
	if over == nil {
		return caller{local: local}
	}
	return over.caller
}

// newCaller is who has shown the certificate.
func newCaller(certificate *x509.Certificate, over *trackedConn) caller {
	return caller{certificate: certificate, who: identityOf(certificate), over: over}
}

// identityOf is made of what a certificate is for: several certificates for the
// same give nobody more than one does.
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

// may says whether the caller may do that in the namespace; the error says why
// not, for the log. A connection may outlive its certificate and its authority,
// so they are asked each time.
func (c caller) authorize(verb, namespace string, now time.Time) error {
	switch {
	case c.local:
		return nil
	case c.certificate == nil:
		return forbidden(noCertificate)
	}
	if err := c.over.checkPeer(now); err != nil {
		return err
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

var errNotLoopback = errors.New("without --tls-cert only loopback addresses can be served")

// onLoopback says that only this machine reaches the address.
func onLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
