// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const (
	signerName = "signet-signer"
	// signerSecret is the default Secret with the signer's certificate, as `signet
	// certs` and cert-manager name it. The Deployment may name another one.
	signerSecret = "signet-signer-server"
	authorityKey = "ca.crt"
	renewAction  = "renew it: signet certs --secrets --overwrite, or see cert-manager's Certificate"
)

// signer reports whether a signer is installed and its certificates are valid.
func (d *doctor) signer(ctx context.Context) []view.Finding {
	finding, deployment := d.deployment(ctx, signerName, "")
	if finding.Result == view.Failed && deployment == nil && finding.Message == notFound {
		return []view.Finding{found(finding.Check, view.Warning, "not found: nothing signs, unless a signer runs elsewhere",
			"install it: kubectl apply --server-side -k config/signer")}
	}
	return append([]view.Finding{finding}, d.signerCertificate(ctx, secretOf(deployment))...)
}

// secretOf is the Secret that the signer's Pods mount.
func secretOf(deployment *appsv1.Deployment) string {
	if deployment != nil {
		for _, volume := range deployment.Spec.Template.Spec.Volumes {
			if volume.Secret != nil {
				return volume.Secret.SecretName
			}
		}
	}
	return signerSecret
}

func (d *doctor) signerCertificate(ctx context.Context, name string) []view.Finding {
	server, authority := "signer certificate", "CA of the signer's callers"
	secret := &corev1.Secret{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: name}, secret); err != nil {
		finding := failure(server, err, "create it: signet certs --secrets --server "+d.signerHosts()[0]+","+d.signerHosts()[1])
		if apierrors.IsNotFound(err) {
			finding.Message = "Secret " + name + " does not exist: the signer's Pods cannot start"
		}
		return []view.Finding{finding}
	}
	result, message := view.ServerCertificate(secret.Data[corev1.TLSCertKey], d.signerHosts(), time.Now())
	trusted, why := view.CallersAuthorities(secret.Data[authorityKey], time.Now())
	return []view.Finding{
		found(server, result, inSecret(name, result, message), renewAction),
		found(authority, trusted, inSecret(name, trusted, why), "create a new CA, after which callers need new certificates, too"),
	}
}

// inSecret adds the Secret to a message about a problem.
func inSecret(name string, result view.Result, message string) string {
	if result == view.OK {
		return message
	}
	return "Secret " + name + ": " + message
}

// signerHosts are the host names of the signer.
func (d *doctor) signerHosts() []string {
	return []string{signerName + "." + d.system + ".svc", signerName + "-verify." + d.system + ".svc"}
}

// callerCertificates checks the certificates with which gateways and backends of
// the namespace call the signer: those that gateway settings name, and those that
// `signet certs` creates.
func (d *doctor) callerCertificates(ctx context.Context) []view.Finding {
	signs, verifies := signerName+"-sign-"+d.namespace, signerName+"-verify-"+d.namespace
	names := append([]string{signs}, d.callers...)
	slices.Sort(names)
	authorities := d.trustedBySigner(ctx)
	var findings []view.Finding
	for _, name := range slices.Compact(names) {
		findings = append(findings, d.caller(ctx, name, "signet://sign/"+d.namespace, authorities, slices.Contains(d.callers, name))...)
	}
	return append(findings, d.caller(ctx, verifies, "signet://verify/"+d.namespace, authorities, false)...)
}

// trustedBySigner returns the CA bundle of the signer, or nil if it cannot be
// read: then it is not compared.
func (d *doctor) trustedBySigner(ctx context.Context) []byte {
	deployment, secret := &appsv1.Deployment{}, &corev1.Secret{}
	name := signerSecret
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: signerName}, deployment); err == nil {
		name = secretOf(deployment)
	}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: name}, secret); err != nil {
		return nil
	}
	return secret.Data[authorityKey]
}

// caller checks the certificate of one caller. A missing one is only a problem if
// a setting names it.
func (d *doctor) caller(ctx context.Context, name, uri string, authorities []byte, named bool) []view.Finding {
	check := "caller certificate " + name
	secret := &corev1.Secret{}
	err := d.Get(ctx, client.ObjectKey{Namespace: d.namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err) && !named:
		return nil
	case apierrors.IsNotFound(err):
		return []view.Finding{found(check, view.Failed, "the Secret does not exist, but a gateway's settings name it: the gateway cannot call the signer",
			"create it: signet certs --secrets --sign "+d.namespace)}
	case err != nil:
		return []view.Finding{failure(check, err, "")}
	}
	result, message := view.CallerCertificate(secret.Data[corev1.TLSCertKey], authorities, uri, time.Now())
	return []view.Finding{found(check, result, message, renewAction)}
}

// tenant returns the namespace that gateway settings are compared with.
func (d *doctor) tenant(ctx context.Context) (*view.Tenant, error) {
	var list signetv1alpha1.SignatureBindingList
	if err := d.List(ctx, &list, client.InNamespace(d.namespace)); err != nil {
		return nil, err
	}
	return &view.Tenant{Namespace: d.namespace, Bindings: list.Items}, nil
}
