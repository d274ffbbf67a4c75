// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
	"github.com/signet-dev/signet/internal/pki"
)

const day = 24 * time.Hour

// authority makes one that ends at some time, and what it has issued.
func authority(t *testing.T, life time.Duration) *pki.Authority {
	t.Helper()
	made, err := pki.NewAuthority("test", now.Add(-day), life+day)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func bundle(t *testing.T, life time.Duration) []byte {
	t.Helper()
	return encoded(t, authority(t, life))["ca.crt"]
}

func encoded(t *testing.T, authority *pki.Authority) map[string][]byte {
	t.Helper()
	data, err := authority.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// issued is the tls.crt of a certificate for hosts or URIs.
func issued(t *testing.T, by *pki.Authority, life time.Duration, names ...string) []byte {
	t.Helper()
	subject := pki.Subject{Name: "test"}
	for _, name := range names {
		if uri, err := url.Parse(name); err == nil && uri.Scheme == "signet" {
			uri.RawPath = uri.Path
			subject.URIs = append(subject.URIs, uri)
		} else {
			subject.Hosts = append(subject.Hosts, name)
		}
	}
	certificate, err := by.Issue(subject, now.Add(-day), life+day)
	if err != nil {
		t.Fatal(err)
	}
	data, err := by.EncodeIssued(certificate)
	if err != nil {
		t.Fatal(err)
	}
	return data["tls.crt"]
}

type outcome struct {
	result  view.Result
	message string
}

func outcomeOf(result view.Result, message string) outcome { return outcome{result, message} }

func (got outcome) compare(t *testing.T, name string, want outcome) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s %q, want %s %q", name, got.result, got.message, want.result, want.message)
	}
}

func TestBundle(t *testing.T) {
	expired, good := bundle(t, -time.Hour), bundle(t, 30*day)
	for name, test := range map[string]struct {
		bundle []byte
		want   outcome
	}{
		"none":             {nil, outcome{view.Failed, "no CA bundle: the API server trusts no webhook"}},
		"no certificate":   {[]byte("x"), outcome{view.Failed, "the CA certificate is missing or not valid yet"}},
		"expired":          {expired, outcome{view.Failed, "the CA certificate expired on 2025-12-31"}},
		"good":             {good, outcome{view.OK, "the CA certificate is valid until 2026-01-31"}},
		"good and expired": {slices.Concat(expired, good), outcome{view.OK, "the CA certificate is valid until 2026-01-31"}},
		"expires soon":     {bundle(t, 3*day), outcome{view.Warning, "the CA certificate expires on 2026-01-04"}},
	} {
		outcomeOf(view.Bundle(test.bundle, now)).compare(t, name, test.want)
	}
	outcomeOf(view.CallersAuthorities(nil, now)).compare(t, "callers",
		outcome{view.Failed, "ca.crt is missing: the signer cannot start without the CA of its callers"})
}

func TestTrusts(t *testing.T) {
	one, other := bundle(t, day), bundle(t, day)
	for name, test := range map[string]struct {
		bundle []byte
		want   bool
	}{
		"itself": {one, true}, "another": {other, false}, "both": {slices.Concat(other, one), true}, "none": {nil, false},
	} {
		if got := view.Trusts(test.bundle, one); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestServerCertificate(t *testing.T) {
	by, hosts := authority(t, 365*day), []string{"signer.svc", "verifier.svc"}
	for name, test := range map[string]struct {
		crt  []byte
		want outcome
	}{
		"good":         {issued(t, by, 90*day, hosts...), outcome{view.OK, "the certificate is valid until 2026-04-01"}},
		"none":         {nil, outcome{view.Failed, "tls.crt contains no certificate: the signer cannot start"}},
		"expired":      {issued(t, by, -time.Hour, hosts...), outcome{view.Failed, "the certificate expired on 2025-12-31"}},
		"expires soon": {issued(t, by, 10*day, hosts...), outcome{view.Warning, "the certificate expires on 2026-01-11"}},
		"one host":     {issued(t, by, 90*day, hosts[0]), outcome{view.Warning, "the certificate does not cover verifier.svc: clients that use that name reject it"}},
		"other hosts":  {issued(t, by, 90*day, "x"), outcome{view.Failed, "the certificate does not cover signer.svc and verifier.svc: clients that use that name reject it"}},
	} {
		outcomeOf(view.ServerCertificate(test.crt, hosts, now)).compare(t, name, test.want)
	}
}

func TestCallerCertificate(t *testing.T) {
	by := authority(t, 365*day)
	trusted := encoded(t, by)["ca.crt"]
	const wanted = "signet://sign/shop"
	cases := map[string]struct {
		crt     []byte
		trusted []byte
		want    outcome
	}{
		"good":          {issued(t, by, 90*day, wanted), trusted, outcome{view.OK, "the certificate is valid until 2026-04-01"}},
		"not compared":  {issued(t, authority(t, 365*day), 90*day, wanted), nil, outcome{view.OK, "the certificate is valid until 2026-04-01"}},
		"none":          {nil, trusted, outcome{view.Failed, "tls.crt contains no certificate"}},
		"expired":       {issued(t, by, -time.Hour, wanted), trusted, outcome{view.Failed, "the certificate expired on 2025-12-31"}},
		"expires soon":  {issued(t, by, 10*day, wanted), trusted, outcome{view.Warning, "the certificate expires on 2026-01-11"}},
		"another's URI": {issued(t, by, 90*day, "signet://sign/other", "signet://verify/shop"), trusted, outcome{view.Failed, "the certificate lacks the URI signet://sign/shop (it has signet://sign/other, signet://verify/shop): the signer responds with 403"}},
		"no URI":        {issued(t, by, 90*day, "host"), trusted, outcome{view.Failed, "the certificate lacks the URI signet://sign/shop (it has none): the signer responds with 403"}},
		"of another CA": {issued(t, authority(t, 365*day), 90*day, wanted), trusted, outcome{view.Failed, "the certificate was not issued by a CA that the signer trusts: it refuses the connection"}},
		"for all":       {issued(t, by, 90*day, "signet://sign/*"), trusted, outcome{view.Warning, "the certificate signs for every namespace (signet://sign/*): use it only for gateways that only administrators configure"}},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		test := cases[name]
		outcomeOf(view.CallerCertificate(test.crt, test.trusted, wanted, now)).compare(t, name, test.want)
	}
	if _, message := view.CallerCertificate(issued(t, by, 90*day, "signet://sign/*"), trusted, "signet://verify/shop", now); !strings.Contains(message, "lacks the URI signet://verify/shop") {
		t.Errorf("a certificate that signs for all verifies, too: %s", message)
	}
}
