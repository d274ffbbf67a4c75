// Package certs makes the certificates of the signer and of those who call it,
// for clusters without cert-manager: an authority, a server's certificate, and
// one for each namespace that is signed or verified for.
package certs

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	anyNamespace  = "*"
	day           = 24 * time.Hour
	authorityLife = 3650 * day
)

// Options are the flags of the command.
type Options struct {
	// Out is a folder to write to, and Secrets says that Secrets are written
	// instead.
	Out     string
	Secrets bool

	Kubeconfig string
	Namespace  string

	Server []string
	Sign   []string
	Verify []string

	Days      int
	Overwrite bool
}

// DefaultOptions are those of a command that was given no flags.
func DefaultOptions() Options {
	return Options{Namespace: "signet-system", Days: 365}
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Out, "out", o.Out, "`folder` to write to: one folder in it for each certificate, with tls.crt, tls.key and ca.crt; or --secrets")
	flags.BoolVar(&o.Secrets, "secrets", o.Secrets, "write Secrets to the cluster instead: the signer's to --namespace, each caller's to the namespace that it is for")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "with --secrets: `file` with the API server's address and credentials; empty: KUBECONFIG, else the Pod's ServiceAccount")
	flags.StringVar(&o.Namespace, "namespace", o.Namespace, "with --secrets: `namespace` of the signer")
	flags.StringSliceVar(&o.Server, "server", o.Server, "make the signer's certificate, for these DNS `names` and IP addresses")
	flags.StringSliceVar(&o.Sign, "sign", o.Sign, "make a certificate that signs, for each of these `namespaces`; * is one for all of them, for a gateway that administrators alone configure")
	flags.StringSliceVar(&o.Verify, "verify", o.Verify, "make a certificate that verifies, for each of these `namespaces`")
	flags.IntVar(&o.Days, "days", o.Days, "`days` that the certificates are valid; the authority's is valid for ten years")
	flags.BoolVar(&o.Overwrite, "overwrite", o.Overwrite, "write over certificates that are there; the authority is never written over")
}

// Validate says which flag is wrong, and what it may be.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse((o.Out == "") == !o.Secrets, "give either --out with a folder, or --secrets")
	refuse(len(o.Server)+len(o.Sign)+len(o.Verify) == 0, "give --server, --sign or --verify: there is nothing to make")
	refuse(o.Days < 1 || time.Duration(o.Days)*day > authorityLife, "--days is %d and must be from 1 to %d", o.Days, authorityLife/day)
	refuse(len(validation.IsDNS1123Label(o.Namespace)) > 0, "--namespace is %q and must be a namespace's name", o.Namespace)
	for _, name := range o.Sign {
		refuse(name != anyNamespace && len(validation.IsDNS1123Label(name)) > 0, "--sign has %q, which is no namespace's name", name)
	}
	for _, name := range o.Verify {
		refuse(len(validation.IsDNS1123Label(name)) > 0, "--verify has %q, which is no namespace's name", name)
	}
	for _, name := range o.Server {
		refuse(net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0, "--server has %q, which is neither a DNS name nor an IP address", name)
	}
	for flag, names := range map[string][]string{"--sign": o.Sign, "--verify": o.Verify} {
		sorted := slices.Sorted(slices.Values(names))
		refuse(len(slices.Compact(slices.Clone(sorted))) != len(sorted), "%s has a namespace twice", flag)
	}
	return errors.Join(errs...)
}
