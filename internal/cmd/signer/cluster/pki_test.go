// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/pki"
	"github.com/signet-dev/signet/internal/signer"
)

// testPKI issues certificates of one authority.
type testPKI struct {
	t         *testing.T
	authority *pki.Authority
	roots     *x509.CertPool
}

func newPKI(t *testing.T) *testPKI {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate())
	return &testPKI{t: t, authority: authority, roots: roots}
}

// files writes a server certificate and the authority of the clients.
func (p *testPKI) files() signer.TLSFiles {
	p.t.Helper()
	data, err := p.authority.EncodeIssued(p.issue(pki.Subject{Name: "signer", Hosts: []string{"127.0.0.1"}}))
	if err != nil {
		p.t.Fatal(err)
	}
	dir := p.t.TempDir()
	for name, text := range data {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return signer.TLSFiles{
		Certificate: filepath.Join(dir, pki.DataCertificate), Key: filepath.Join(dir, pki.DataPrivateKey),
		ClientCA: filepath.Join(dir, pki.DataBundle),
	}
}

// client returns a configuration with a certificate for the URI.
func (p *testPKI) client(uri string) *tls.Config {
	p.t.Helper()
	parsed, err := url.Parse(uri)
	if err != nil {
		p.t.Fatal(err)
	}
	issued := p.issue(pki.Subject{Name: "client", URIs: []*url.URL{parsed}})
	return &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*issued}}
}

func (p *testPKI) issue(subject pki.Subject) *tls.Certificate {
	p.t.Helper()
	issued, err := p.authority.Issue(subject, time.Now(), time.Hour)
	if err != nil {
		p.t.Fatal(err)
	}
	return issued
}
