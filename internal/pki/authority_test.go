// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newTestAuthority(t *testing.T) *Authority {
	t.Helper()
	authority, err := NewAuthority("test", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

func TestAuthorityPrintsNoKey(t *testing.T) {
	authority := newTestAuthority(t)
	encoded, err := json.Marshal(authority)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("Created", "authority", authority)
	for format, got := range map[string]string{
		"%v": fmt.Sprintf("%v", authority), "%+v": fmt.Sprintf("%+v", authority), "%#v": fmt.Sprintf("%#v", authority),
		"JSON": strings.Trim(string(encoded), `"`), "log": strings.TrimSpace(log.String()[strings.LastIndex(log.String(), "=")+1:]),
	} {
		if got != redacted {
			t.Errorf("%s: %s", format, got)
		}
	}
}

func TestDecodedAuthorityIssuesCertificates(t *testing.T) {
	data, err := newTestAuthority(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	authority, err := DecodeAuthority(data)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data[DataBundle]) {
		t.Fatal("no certificate in the bundle")
	}
	uri := &url.URL{Scheme: "signet", Host: "sign", Path: "/team-a"}
	for name, tc := range map[string]struct {
		subject Subject
		usage   x509.ExtKeyUsage
	}{
		"server": {Subject{Name: "server", Hosts: []string{"a.example", "127.0.0.1"}}, x509.ExtKeyUsageServerAuth},
		"client": {Subject{Name: "client", URIs: []*url.URL{uri}}, x509.ExtKeyUsageClientAuth},
	} {
		issued, err := authority.Issue(tc.subject, now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		options := x509.VerifyOptions{Roots: roots, CurrentTime: now.Add(-ClockSkew), KeyUsages: []x509.ExtKeyUsage{tc.usage}}
		if _, err := issued.Leaf.Verify(options); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]x509.ExtKeyUsage{tc.usage}, issued.Leaf.ExtKeyUsage); diff != "" {
			t.Errorf("%s: usages: %s", name, diff)
		}
	}
}

func TestDecodeAuthorityRejectsOtherCertificates(t *testing.T) {
	authority := newTestAuthority(t)
	issued, err := authority.Issue(Subject{Name: "server"}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	data, err := authority.EncodeIssued(issued)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeAuthority(data); err == nil || err.Error() != "decode authority: not a certificate authority with an ECDSA key" {
		t.Error(err)
	}
	if _, err := DecodeAuthority(nil); err == nil || !strings.HasPrefix(err.Error(), "decode authority: ") {
		t.Error(err)
	}
}
