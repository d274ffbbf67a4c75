// SPDX-License-Identifier: Apache-2.0

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
	// Out is the folder to write to. If Secrets is true, the certificates are
	// written to the cluster instead.
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

// DefaultOptions returns the options of a command without flags.
func DefaultOptions() Options {
	return Options{Namespace: "signet-system", Days: 365}
}

// Bind adds the flags to a set, with the options as defaults.
func (o *Options) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&o.Out, "out", o.Out, "`folder` to write to: one subfolder for each certificate, with tls.crt, tls.key and ca.crt")
	flags.BoolVar(&o.Secrets, "secrets", o.Secrets, "output as Secrets: the signer's in --namespace, a caller's in the namespace that it is for")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "kubeconfig `file` for --secrets (default: KUBECONFIG, else the Pod's ServiceAccount)")
	flags.StringVar(&o.Namespace, "namespace", o.Namespace, "`namespace` of the signer for --secrets")
	flags.StringSliceVar(&o.Server, "server", o.Server, "DNS `names` and IP addresses in the signer's certificate (default: no such certificate)")
	flags.StringSliceVar(&o.Sign, "sign", o.Sign, "`namespaces` for which a certificate to sign is created; * stands for one certificate for all of them, for a gateway that only administrators configure")
	flags.StringSliceVar(&o.Verify, "verify", o.Verify, "`namespaces` for which a certificate to verify is created")
	flags.IntVar(&o.Days, "days", o.Days, "validity of the certificates in `days`; the authority is valid for ten years")
	flags.BoolVar(&o.Overwrite, "overwrite", o.Overwrite, "replacement of existing certificates, but never of the authority")
}

// Validate returns an error that names each invalid flag and its allowed values.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse((o.Out == "") == !o.Secrets, "exactly one of --out and --secrets is required")
	refuse(len(o.Server)+len(o.Sign)+len(o.Verify) == 0, "at least one of --server, --sign and --verify is required")
	refuse(o.Days < 1 || time.Duration(o.Days)*day > authorityLife, "--days is %d, but must be from 1 to %d", o.Days, authorityLife/day)
	refuse(len(validation.IsDNS1123Label(o.Namespace)) > 0, "--namespace is %q, but must be the name of a namespace", o.Namespace)
	for _, name := range o.Sign {
		refuse(name != anyNamespace && len(validation.IsDNS1123Label(name)) > 0, "--sign contains %q, which is not the name of a namespace", name)
	}
	for _, name := range o.Verify {
		refuse(len(validation.IsDNS1123Label(name)) > 0, "--verify contains %q, which is not the name of a namespace", name)
	}
	for _, name := range o.Server {
		refuse(net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0, "--server contains %q, which is neither a DNS name nor an IP address", name)
	}
	refuse(hasDuplicate(o.Sign), "--sign contains a namespace twice")
	refuse(hasDuplicate(o.Verify), "--verify contains a namespace twice")
	return errors.Join(errs...)
}

func hasDuplicate(names []string) bool {
	sorted := slices.Sorted(slices.Values(names))
	return len(slices.Compact(slices.Clone(sorted))) != len(sorted)
}
