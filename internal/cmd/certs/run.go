// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/signet-dev/signet/internal/pki"
)

// authorityName is the name of the authority's location. Only this command reads
// it: signer and callers have the authority's certificate in ca.crt.
const authorityName = "ca"

// certificate is a certificate to create.
type certificate struct {
	location
	subject pki.Subject
}

// Run creates the certificates and lists them on out. It reuses an existing
// authority and keeps existing certificates, so that further runs can add
// namespaces or finish an interrupted run.
func Run(ctx context.Context, options Options, out io.Writer, now time.Time) error {
	if err := options.Validate(); err != nil {
		return err
	}
	target, err := newStore(options)
	if err != nil {
		return err
	}
	missing, err := findMissing(ctx, target, options, out)
	if err != nil || len(missing) == 0 {
		return err
	}
	authority, err := ensureAuthority(ctx, target, location{authorityName, options.Namespace}, out, now)
	if err != nil {
		return err
	}
	life := time.Duration(options.Days) * day
	if expiry := authority.Certificate().NotAfter; now.Add(life).After(expiry) {
		return fmt.Errorf("the authority in %s expires on %s, before the certificates would: lower --days, or start with a new authority elsewhere",
			target.describe(location{authorityName, options.Namespace}), expiry.Format(time.DateOnly))
	}
	for _, c := range missing {
		if err := create(ctx, target, authority, c, out, now, life); err != nil {
			return err
		}
	}
	return nil
}

func create(ctx context.Context, target store, authority *pki.Authority, c certificate, out io.Writer, now time.Time, life time.Duration) error {
	issued, err := authority.Issue(c.subject, now, life)
	if err != nil {
		return err
	}
	data, err := authority.EncodeIssued(issued)
	if err != nil {
		return err
	}
	if err := target.write(ctx, c.location, data); err != nil {
		return err
	}
	fmt.Fprintf(out, "created %s: %s, valid until %s\n", target.describe(c.location), c.subject.Name, issued.Leaf.NotAfter.Format(time.DateOnly))
	return nil
}

// certificates returns the certificates that the flags request.
func (o *Options) certificates() []certificate {
	var all []certificate
	if len(o.Server) > 0 {
		all = append(all, certificate{location{"server", o.Namespace}, pki.Subject{Name: "signet signer", Hosts: o.Server}})
	}
	for _, namespace := range o.Sign {
		at := location{"sign-" + namespace, namespace}
		if namespace == anyNamespace {
			at = location{"sign-all", o.Namespace}
		}
		all = append(all, clientCertificate(at, "sign", namespace))
	}
	for _, namespace := range o.Verify {
		all = append(all, clientCertificate(location{"verify-" + namespace, namespace}, "verify", namespace))
	}
	return all
}

func clientCertificate(at location, verb, namespace string) certificate {
	uri := &url.URL{Scheme: "signet", Host: verb, Path: "/" + namespace}
	if namespace == anyNamespace {
		uri.RawPath = "/" + anyNamespace // without escaping it as %2A
	}
	return certificate{at, pki.Subject{Name: uri.String(), URIs: []*url.URL{uri}}}
}

// findMissing returns the certificates to create. It checks every location
// before anything is written, so that a failing one leaves nothing half done.
func findMissing(ctx context.Context, target store, options Options, out io.Writer) ([]certificate, error) {
	var (
		missing []certificate
		errs    []error
	)
	for _, c := range options.certificates() {
		found, err := target.read(ctx, c.location)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case found != nil && !options.Overwrite:
			fmt.Fprintf(out, "kept %s, which already exists (--overwrite replaces it)\n", target.describe(c.location))
			continue
		case found == nil:
			errs = append(errs, target.check(ctx, c.location))
		}
		missing = append(missing, c)
	}
	return missing, errors.Join(errs...)
}

// ensureAuthority reads the authority, and creates it if there is none.
func ensureAuthority(ctx context.Context, target store, at location, out io.Writer, now time.Time) (*pki.Authority, error) {
	found, err := target.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if found != nil {
		authority, err := pki.DecodeAuthority(found)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", target.describe(at), err)
		}
		return authority, nil
	}
	authority, err := pki.NewAuthority("signet signer authority", now, authorityLife)
	if err != nil {
		return nil, err
	}
	data, err := authority.Encode()
	if err != nil {
		return nil, err
	}
	if err := target.write(ctx, at, data); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "created %s: the authority, valid until %s. Keep its private key secret: it gives access to the signer for every namespace\n",
		target.describe(at), authority.Certificate().NotAfter.Format(time.DateOnly))
	return authority, nil
}
