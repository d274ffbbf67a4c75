// Package webhookcert makes certificates. It keeps the webhook's without help from
// outside: an authority in a Secret that all replicas share, a serving
// certificate of each replica's own in memory, and the authority's certificate
// in the webhook configuration.
package webhookcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"time"
)

const (
	day = 24 * time.Hour

	// An authority is renewed when authorityRenew of its life is left, and the
	// one before stays trusted for an overlap: replicas change over in seconds.
	authorityLife    = 365 * day
	authorityRenew   = 120 * day
	authorityOverlap = 7 * day
	// A serving certificate is renewed when servingRenew of its life is left.
	servingLife  = 30 * day
	servingRenew = 10 * day
	// clockDifference is how far the API server's clock may be behind.
	clockDifference = time.Hour
	serialBits      = 128
)

// Authority issues certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(now time.Time) (*Authority, error) {
	return NewAuthority("signet webhook authority", now, authorityLife)
}

// NewAuthority makes an authority that nobody has signed but itself.
func NewAuthority(name string, now time.Time, life time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the authority's key: %w", err)
	}
	template, err := certificate(name, now, life)
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	return &Authority{certificate: parsed, key: key}, nil
}

// sign makes a serving certificate for the hosts: DNS names and IP addresses.
func (a *Authority) sign(hosts []string, now time.Time) (*tls.Certificate, error) {
	return a.Issue(Subject{Name: "signet webhook", Hosts: hosts}, now, servingLife)
}

// Subject is who a certificate is for.
type Subject struct {
	Name string
	// Hosts are the DNS names and IP addresses of a server.
	Hosts []string
	// URIs say what a client may do. A certificate with any is a client's.
	URIs []*url.URL
}

// Issue makes a certificate with a key of its own.
func (a *Authority) Issue(subject Subject, now time.Time, life time.Duration) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a certificate's key: %w", err)
	}
	template, err := certificate(subject.Name, now, life)
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if len(subject.URIs) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	template.URIs = subject.URIs
	for _, host := range subject.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func certificate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-clockDifference),
		NotAfter:     now.Add(life),
	}, nil
}

// dueAt is when the next authority is to be made.
func (a *Authority) dueAt() time.Time { return a.certificate.NotAfter.Add(-authorityRenew) }

// overlapEnds is when authorities before this one cease to be trusted.
func (a *Authority) overlapEnds() time.Time {
	return a.certificate.NotBefore.Add(clockDifference + authorityOverlap)
}
