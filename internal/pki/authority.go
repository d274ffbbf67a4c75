// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"time"
)

const (
	// ClockSkew is how far another machine's clock may be behind: certificates
	// are valid from that long before they are issued.
	ClockSkew = time.Hour

	serialBits = 128
	redacted   = "[redacted]"
)

// Authority issues certificates. It holds a private key and prints as
// [redacted].
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority creates a self-signed authority with an ECDSA P-256 key, valid
// for the given life from now on.
func NewAuthority(name string, now time.Time, life time.Duration) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate private key of the authority: %w", err)
	}
	template, err := newTemplate(name, now, life)
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("create certificate of the authority: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate of the authority: %w", err)
	}
	return &Authority{certificate: parsed, key: key}, nil
}

// Certificate returns the authority's own certificate. The caller must not
// change it.
func (a *Authority) Certificate() *x509.Certificate { return a.certificate }

// String hides the private key.
func (*Authority) String() string { return redacted }

// GoString hides the private key.
func (*Authority) GoString() string { return redacted }

// LogValue hides the private key.
func (*Authority) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the private key.
func (*Authority) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Subject describes the holder of a certificate.
type Subject struct {
	// Name is the common name.
	Name string
	// Hosts are the DNS names and IP addresses of a server.
	Hosts []string
	// URIs state what a client may do. A subject with URIs gets a client
	// certificate, any other one a server certificate.
	URIs []*url.URL
}

// Issue issues a certificate with a new ECDSA P-256 key, valid for the given
// life from now on.
func (a *Authority) Issue(subject Subject, now time.Time, life time.Duration) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate private key: %w", err)
	}
	template, err := newTemplate(subject.Name, now, life)
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
		return nil, fmt.Errorf("create certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func newTemplate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("generate serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-ClockSkew),
		NotAfter:     now.Add(life),
	}, nil
}
