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

// authorityName is the place of the authority, which only who makes certificates
// needs.
const authorityName = "ca"

// place is where a certificate goes.
type place struct {
	// name among the certificates, and the namespace of its Secret.
	name, namespace string
}

// store is where certificates are kept.
type store interface {
	// read returns nil if there is nothing.
	read(ctx context.Context, at place) (map[string][]byte, error)
	// check says what would stop a first write, and writes nothing.
	check(ctx context.Context, at place) error
	write(ctx context.Context, at place, data map[string][]byte) error
	// describe says where that is, for people.
	describe(at place) string
}

// certificate is one that is to be made.
type certificate struct {
	place
	subject pki.Subject
}

// Run makes the certificates, and says what it has made. An authority that is
// there is used again, and certificates that are there stay, so that namespaces
// can be added later, and what was interrupted can be gone on with.
func Run(ctx context.Context, options Options, out io.Writer, now time.Time) error {
	if err := options.Validate(); err != nil {
		return err
	}
	var kept store = folder(options.Out)
	if options.Secrets {
		cluster, err := newCluster(options.Kubeconfig)
		if err != nil {
			return err
		}
		kept = cluster
	}
	wanted, err := missing(ctx, kept, options, out)
	if err != nil || len(wanted) == 0 {
		return err
	}
	life := time.Duration(options.Days) * day
	authority, err := ensureAuthority(ctx, kept, place{authorityName, options.Namespace}, out, now)
	if err != nil {
		return err
	}
	if now.Add(life).After(authority.Certificate().NotAfter) {
		return fmt.Errorf("the authority in %s ends %s, before the certificates would: give fewer --days, or begin with another authority elsewhere",
			kept.describe(place{authorityName, options.Namespace}), authority.Certificate().NotAfter.Format(time.DateOnly))
	}
	for _, one := range wanted {
		issued, err := authority.Issue(one.subject, now, life)
		if err != nil {
			return err
		}
		data, err := authority.EncodeIssued(issued)
		if err != nil {
			return err
		}
		if err := kept.write(ctx, one.place, data); err != nil {
			return err
		}
		fmt.Fprintf(out, "made %s: %s, until %s\n", kept.describe(one.place), one.subject.Name, issued.Leaf.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// certificates are those that the flags ask for.
func (o *Options) certificates() []certificate {
	var wanted []certificate
	if len(o.Server) > 0 {
		wanted = append(wanted, certificate{place{"server", o.Namespace}, pki.Subject{Name: "signet signer", Hosts: o.Server}})
	}
	for _, namespace := range o.Sign {
		at := place{"sign-" + namespace, namespace}
		if namespace == anyNamespace {
			at = place{"sign-all", o.Namespace}
		}
		wanted = append(wanted, callers(at, "sign", namespace))
	}
	for _, namespace := range o.Verify {
		wanted = append(wanted, callers(place{"verify-" + namespace, namespace}, "verify", namespace))
	}
	return wanted
}

func callers(at place, verb, namespace string) certificate {
	uri := &url.URL{Scheme: "signet", Host: verb, Path: "/" + namespace}
	if namespace == anyNamespace {
		uri.RawPath = "/" + anyNamespace // as it stands, and not %2A
	}
	return certificate{at, pki.Subject{Name: uri.String(), URIs: []*url.URL{uri}}}
}

// missing are the certificates that are to be written. It looks at every place
// before anything is: nothing is left half done.
func missing(ctx context.Context, kept store, options Options, out io.Writer) ([]certificate, error) {
	var (
		wanted []certificate
		errs   []error
	)
	for _, one := range options.certificates() {
		found, err := kept.read(ctx, one.place)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case found != nil && !options.Overwrite:
			fmt.Fprintf(out, "kept %s, which is there already: --overwrite makes a new one in its place\n", kept.describe(one.place))
			continue
		case found == nil:
			errs = append(errs, kept.check(ctx, one.place))
		}
		wanted = append(wanted, one)
	}
	return wanted, errors.Join(errs...)
}

func ensureAuthority(ctx context.Context, kept store, at place, out io.Writer, now time.Time) (*pki.Authority, error) {
	found, err := kept.read(ctx, at)
	if err != nil {
		return nil, err
	}
	if found != nil {
		authority, err := pki.DecodeAuthority(found)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kept.describe(at), err)
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
	if err := kept.write(ctx, at, data); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "made %s: the authority, until %s. Whoever has its private key can call the signer for every namespace\n",
		kept.describe(at), authority.Certificate().NotAfter.Format(time.DateOnly))
	return authority, nil
}
