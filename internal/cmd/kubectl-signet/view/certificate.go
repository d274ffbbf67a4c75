// SPDX-License-Identifier: Apache-2.0

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
	// expirySoon is the remaining time from which a CA of the webhooks causes a
	// warning. Signet renews its own long before.
	expirySoon = 7 * 24 * time.Hour
	// renewalSoon is the same for the signer's certificates, which are renewed by
	// hand, or by cert-manager before this time.
	renewalSoon = 14 * 24 * time.Hour
)

// Bundle checks the CA bundle of a webhook: one valid certificate is enough.
func Bundle(bundle []byte, now time.Time) (Result, string) {
	if len(bundle) == 0 {
		return Failed, "no CA bundle: the API server trusts no webhook"
	}
	return authorities("the CA certificate", bundle, now, expirySoon)
}

// CallersAuthorities checks the CAs of the signer's callers.
func CallersAuthorities(bundle []byte, now time.Time) (Result, string) {
	if len(bundle) == 0 {
		return Failed, "ca.crt is missing: the signer cannot start without the CA of its callers"
	}
	return authorities("the CA in ca.crt", bundle, now, renewalSoon)
}

func authorities(what string, bundle []byte, now time.Time, soon time.Duration) (Result, string) {
	var last time.Time
	for _, certificate := range certificatesOf(bundle) {
		if certificate.NotBefore.Before(now) && certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	if last.IsZero() {
		return Failed, what + " is missing or not valid yet"
	}
	return lasting(what, last, now, soon)
}

// lasting checks how long something remains valid.
func lasting(what string, end, now time.Time, soon time.Duration) (Result, string) {
	until := end.UTC().Format(time.DateOnly)
	switch {
	case !end.After(now):
		return Failed, fmt.Sprintf("%s expired on %s", what, until)
	case end.Before(now.Add(soon)):
		return Warning, fmt.Sprintf("%s expires on %s", what, until)
	default:
		return OK, fmt.Sprintf("%s is valid until %s", what, until)
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

// Trusts reports whether a bundle contains one of the certificates of another.
func Trusts(bundle, wanted []byte) bool {
	trusted := certificatesOf(bundle)
	return slices.ContainsFunc(certificatesOf(wanted), func(certificate *x509.Certificate) bool {
		return slices.ContainsFunc(trusted, certificate.Equal)
	})
}

// ServerCertificate checks the certificate of the signer against its host names.
// The first one is that of gateways and is required; the others are only needed
// if backends call the signer.
func ServerCertificate(crt []byte, hosts []string, now time.Time) (Result, string) {
	chain := certificatesOf(crt)
	if len(chain) == 0 {
		return Failed, "tls.crt contains no certificate: the signer cannot start"
	}
	result, message := lasting("the certificate", chain[0].NotAfter, now, renewalSoon)
	var missing []string
	for _, host := range hosts {
		if chain[0].VerifyHostname(host) != nil {
			missing = append(missing, host)
		}
	}
	if len(missing) == 0 || result == Failed {
		return result, message
	}
	result = Warning
	if missing[0] == hosts[0] {
		result = Failed
	}
	return result, "the certificate does not cover " + strings.Join(missing, " and ") + ": clients that use that name reject it"
}

// CallerCertificate checks the client certificate of a gateway or a backend.
// Authorities are the CAs that the signer trusts, if they are known.
func CallerCertificate(crt, authorities []byte, uri string, now time.Time) (Result, string) {
	chain := certificatesOf(crt)
	if len(chain) == 0 {
		return Failed, "tls.crt contains no certificate"
	}
	granted := make([]string, 0, len(chain[0].URIs))
	for _, each := range chain[0].URIs {
		granted = append(granted, each.String())
	}
	everything := strings.HasPrefix(uri, "signet://sign/") && slices.Contains(granted, "signet://sign/*")
	result, message := lasting("the certificate", chain[0].NotAfter, now, renewalSoon)
	switch {
	case result == Failed:
		return result, message
	case !slices.Contains(granted, uri) && !everything:
		return Failed, fmt.Sprintf("the certificate lacks the URI %s (it has %s): the signer responds with 403", uri, orNothing(granted))
	case len(authorities) > 0 && !issuedBy(chain, authorities, now):
		return Failed, "the certificate was not issued by a CA that the signer trusts: it refuses the connection"
	case everything && !slices.Contains(granted, uri):
		return Warning, "the certificate signs for every namespace (signet://sign/*): use it only for gateways that only administrators configure"
	default:
		return result, message
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
