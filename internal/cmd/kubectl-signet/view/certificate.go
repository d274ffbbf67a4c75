package view

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// expirySoon is when a certificate is worth a warning. Signet renews its own
// long before.
const expirySoon = 7 * 24 * time.Hour

// Bundle judges the CA bundle of a webhook: one certificate in force is enough.
func Bundle(bundle []byte, now time.Time) (Verdict, string) {
	if len(bundle) == 0 {
		return Failed, "no CA bundle: the API server trusts nobody to answer"
	}
	var last time.Time
	for rest := bundle; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err == nil && certificate.NotBefore.Before(now) && certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	until := last.UTC().Format(time.DateOnly)
	switch {
	case last.IsZero():
		return Failed, "the CA bundle has no certificate in force"
	case !last.After(now):
		return Failed, "the CA certificate has expired on " + until
	case last.Before(now.Add(expirySoon)):
		return Warning, "the CA certificate expires on " + until
	default:
		return OK, fmt.Sprintf("the CA certificate is good until %s", until)
	}
}
