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

type judged struct {
	verdict view.Verdict
	message string
}

func judge(verdict view.Verdict, message string) judged { return judged{verdict, message} }

func (got judged) compare(t *testing.T, name string, want judged) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s %q, want %s %q", name, got.verdict, got.message, want.verdict, want.message)
	}
}

func TestBundle(t *testing.T) {
	expired, good := bundle(t, -time.Hour), bundle(t, 30*day)
	for name, test := range map[string]struct {
		bundle []byte
		want   judged
	}{
		"none":             {nil, judged{view.Failed, "no CA bundle: the API server trusts nobody to answer"}},
		"no certificate":   {[]byte("x"), judged{view.Failed, "the CA certificate is not there, or not in force yet"}},
		"expired":          {expired, judged{view.Failed, "the CA certificate has expired on 2025-12-31"}},
		"good":             {good, judged{view.OK, "the CA certificate is good until 2026-01-31"}},
		"good and expired": {slices.Concat(expired, good), judged{view.OK, "the CA certificate is good until 2026-01-31"}},
		"expires soon":     {bundle(t, 3*day), judged{view.Warning, "the CA certificate expires on 2026-01-04"}},
	} {
		judge(view.Bundle(test.bundle, now)).compare(t, name, test.want)
	}
	judge(view.CallersAuthorities(nil, now)).compare(t, "callers",
		judged{view.Failed, "ca.crt is missing: the signer does not start without the authority of its callers"})
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
		want judged
	}{
		"good":         {issued(t, by, 90*day, hosts...), judged{view.OK, "the certificate is good until 2026-04-01"}},
		"none":         {nil, judged{view.Failed, "tls.crt has no certificate: the signer does not start"}},
		"expired":      {issued(t, by, -time.Hour, hosts...), judged{view.Failed, "the certificate has expired on 2025-12-31"}},
		"expires soon": {issued(t, by, 10*day, hosts...), judged{view.Warning, "the certificate expires on 2026-01-11"}},
		"one host":     {issued(t, by, 90*day, hosts[0]), judged{view.Warning, "the certificate is not for verifier.svc: who calls it by that name refuses it"}},
		"other hosts":  {issued(t, by, 90*day, "x"), judged{view.Failed, "the certificate is not for signer.svc and verifier.svc: who calls it by that name refuses it"}},
	} {
		judge(view.ServerCertificate(test.crt, hosts, now)).compare(t, name, test.want)
	}
}

func TestCallerCertificate(t *testing.T) {
	by := authority(t, 365*day)
	trusted := encoded(t, by)["ca.crt"]
	const wanted = "signet://sign/shop"
	cases := map[string]struct {
		crt     []byte
		trusted []byte
		want    judged
	}{
		"good":          {issued(t, by, 90*day, wanted), trusted, judged{view.OK, "the certificate is good until 2026-04-01"}},
		"not compared":  {issued(t, authority(t, 365*day), 90*day, wanted), nil, judged{view.OK, "the certificate is good until 2026-04-01"}},
		"none":          {nil, trusted, judged{view.Failed, "tls.crt has no certificate"}},
		"expired":       {issued(t, by, -time.Hour, wanted), trusted, judged{view.Failed, "the certificate has expired on 2025-12-31"}},
		"expires soon":  {issued(t, by, 10*day, wanted), trusted, judged{view.Warning, "the certificate expires on 2026-01-11"}},
		"another's URI": {issued(t, by, 90*day, "signet://sign/other", "signet://verify/shop"), trusted, judged{view.Failed, "the certificate has no URI signet://sign/shop, but signet://sign/other, signet://verify/shop: the signer answers 403"}},
		"no URI":        {issued(t, by, 90*day, "host"), trusted, judged{view.Failed, "the certificate has no URI signet://sign/shop, but none: the signer answers 403"}},
		"foreign":       {issued(t, authority(t, 365*day), 90*day, wanted), trusted, judged{view.Failed, "the certificate was not issued by an authority that the signer trusts: it refuses the connection"}},
		"for all":       {issued(t, by, 90*day, "signet://sign/*"), trusted, judged{view.Warning, "the certificate signs for every namespace (signet://sign/*): only for a gateway that administrators alone configure"}},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		test := cases[name]
		judge(view.CallerCertificate(test.crt, test.trusted, wanted, now)).compare(t, name, test.want)
	}
	if _, message := view.CallerCertificate(issued(t, by, 90*day, "signet://sign/*"), trusted, "signet://verify/shop", now); !strings.Contains(message, "has no URI signet://verify/shop") {
		t.Errorf("a certificate that signs for all verifies, too: %s", message)
	}
}
