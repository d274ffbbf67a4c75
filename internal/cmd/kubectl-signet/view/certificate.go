package view

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// expirySoon is when an authority of the webhooks is worth a warning. Signet
	// renews its own long before.
	expirySoon = 7 * 24 * time.Hour
	// renewalSoon is the same for the signer's certificates, which people renew
	// unless cert-manager does: it has renewed them by then.
	renewalSoon = 14 * 24 * time.Hour
)

// Bundle judges the CA bundle of a webhook: one certificate in force is enough.
func Bundle(bundle []byte, now time.Time) (Verdict, string) {
	if len(bundle) == 0 {
		return Failed, "no CA bundle: the API server trusts nobody to answer"
	}
	return authorities("the CA certificate", bundle, now, expirySoon)
}

// CallersAuthorities judges the authorities that the signer lets certify its
// callers.
func CallersAuthorities(bundle []byte, now time.Time) (Verdict, string) {
	if len(bundle) == 0 {
		return Failed, "ca.crt is missing: the signer does not start without the authority of its callers"
	}
	return authorities("the authority in ca.crt", bundle, now, renewalSoon)
}

func authorities(what string, bundle []byte, now time.Time, soon time.Duration) (Verdict, string) {
	var last time.Time
	for _, certificate := range certificatesOf(bundle) {
		if certificate.NotBefore.Before(now) && certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	if last.IsZero() {
		return Failed, what + " is not there, or not in force yet"
	}
	return lasting(what, last, now, soon)
}

// lasting judges how long something is good for yet.
func lasting(what string, end, now time.Time, soon time.Duration) (Verdict, string) {
	until := end.UTC().Format(time.DateOnly)
	switch {
	case !end.After(now):
		return Failed, fmt.Sprintf("%s has expired on %s", what, until)
	case end.Before(now.Add(soon)):
		return Warning, fmt.Sprintf("%s expires on %s", what, until)
	default:
		return OK, fmt.Sprintf("%s is good until %s", what, until)
	}
}

func certificatesOf(bundle []byte) []*x509.Certificate {
	var found []*x509.Certificate
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return found
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			found = append(found, certificate)
		}
	}
}

// Trusts says whether a bundle has one of the certificates of another.
func Trusts(bundle, wanted []byte) bool {
	trusted := certificatesOf(bundle)
	return slices.ContainsFunc(certificatesOf(wanted), func(certificate *x509.Certificate) bool {
		return slices.ContainsFunc(trusted, certificate.Equal)
	})
}

// ServerCertificate judges the certificate that the signer shows to callers, who
// call it by the hosts. The first, the gateways', it has to have; a signer that
// nobody has verify needs no other.
func ServerCertificate(crt []byte, hosts []string, now time.Time) (Verdict, string) {
	chain := certificatesOf(crt)
	if len(chain) == 0 {
		return Failed, "tls.crt has no certificate: the signer does not start"
	}
	verdict, message := lasting("the certificate", chain[0].NotAfter, now, renewalSoon)
	var missing []string
	for _, host := range hosts {
		if chain[0].VerifyHostname(host) != nil {
			missing = append(missing, host)
		}
	}
	if len(missing) == 0 || verdict == Failed {
		return verdict, message
	}
	verdict = Warning
	if missing[0] == hosts[0] {
		verdict = Failed
	}
	return verdict, "the certificate is not for " + strings.Join(missing, " and ") + ": who calls it by that name refuses it"
}

// CallerCertificate judges a certificate with which a gateway or a backend calls
// the signer. Authorities are those that the signer trusts, if they are known.
func CallerCertificate(crt, authorities []byte, uri string, now time.Time) (Verdict, string) {
	chain := certificatesOf(crt)
	if len(chain) == 0 {
		return Failed, "tls.crt has no certificate"
	}
	granted := make([]string, 0, len(chain[0].URIs))
	for _, each := range chain[0].URIs {
		granted = append(granted, each.String())
	}
	everything := strings.HasPrefix(uri, "signet://sign/") && slices.Contains(granted, "signet://sign/*")
	verdict, message := lasting("the certificate", chain[0].NotAfter, now, renewalSoon)
	switch {
	case verdict == Failed:
		return verdict, message
	case !slices.Contains(granted, uri) && !everything:
		return Failed, fmt.Sprintf("the certificate has no URI %s, but %s: the signer answers 403", uri, orNothing(granted))
	case len(authorities) > 0 && !issuedBy(chain, authorities, now):
		return Failed, "the certificate was not issued by an authority that the signer trusts: it refuses the connection"
	case everything && !slices.Contains(granted, uri):
		return Warning, "the certificate signs for every namespace (signet://sign/*): only for a gateway that administrators alone configure"
	default:
		return verdict, message
	}
}

func orNothing(granted []string) string {
	if len(granted) == 0 {
		return "none"
	}
	return strings.Join(granted, ", ")
}

func issuedBy(chain []*x509.Certificate, authorities []byte, now time.Time) bool {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}
