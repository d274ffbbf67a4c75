// SPDX-License-Identifier: Apache-2.0

package webhookcert

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/pki"
)

// attempts bounds how often a replica reads the Secret again after another one
// has written it at the same time.
const attempts = 3

// sharedAuthority is the content of the Secret. During an overlap the bundle
// contains the previous authority as well.
type sharedAuthority struct {
	issuer *pki.Authority
	bundle []byte
}

// authority reads the shared authority, creates it if there is none, and renews
// it in time. If several replicas write, one wins and the others use its result.
func (r *Rotator) authority(ctx context.Context) (sharedAuthority, error) {
	var found sharedAuthority
	raced := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err := retry.OnError(wait.Backoff{Steps: attempts}, raced, func() (err error) {
		found, err = r.tryAuthority(ctx)
		return err
	})
	return found, err
}

func (r *Rotator) tryAuthority(ctx context.Context) (sharedAuthority, error) {
	name := client.ObjectKey{Namespace: r.options.Namespace, Name: r.options.SecretName}
	secret, err := kubeclient.GetOrNil[corev1.Secret](ctx, r.client, name)
	if err != nil {
		return sharedAuthority{}, err
	}
	var stored map[string][]byte
	if secret != nil {
		stored = secret.Data
	}
	now, trusted := r.options.Clock.Now(), stored[pki.DataBundle]
	issuer, problem := pki.DecodeAuthority(stored)
	if problem != nil || !now.Before(renewalTime(issuer)) {
		// The Secret may have been deleted or broken. This replica knows the
		// bundle that the API server trusts: certificates that other replicas
		// still serve stay trusted.
		trusted = append(bytes.Clone(trusted), r.lastBundle()...)
		if issuer, err = pki.NewAuthority("signet webhook authority", now, authorityLife); err != nil {
			return sharedAuthority{}, err
		}
	}
	data, err := encodeAuthority(issuer, trusted, now)
	if err != nil {
		return sharedAuthority{}, err
	}
	held := sharedAuthority{issuer: issuer, bundle: data[pki.DataBundle]}
	if problem == nil && bytes.Equal(trusted, held.bundle) && bytes.Equal(stored[pki.DataCertificate], data[pki.DataCertificate]) {
		return held, nil
	}
	if err := r.writeSecret(ctx, secret, data); err != nil {
		return sharedAuthority{}, fmt.Errorf("write Secret %s: %w", name, err)
	}
	logf.FromContext(ctx).WithName("certs").Info("Wrote the authority of the webhook certificates",
		"secret", name.String(), "expires", issuer.Certificate().NotAfter.Format(time.RFC3339))
	return held, nil
}

// writeSecret updates the Secret that was read, or creates it if that is nil.
func (r *Rotator) writeSecret(ctx context.Context, secret *corev1.Secret, data map[string][]byte) error {
	if secret != nil {
		secret.Data = data
		return r.client.Update(ctx, secret)
	}
	return r.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: r.options.Namespace, Name: r.options.SecretName,
			Labels: map[string]string{"app.kubernetes.io/name": "signet", "app.kubernetes.io/component": "webhook"},
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	})
}

func encodeAuthority(issuer *pki.Authority, trusted []byte, now time.Time) (map[string][]byte, error) {
	data, err := issuer.Encode()
	if err != nil {
		return nil, err
	}
	data[pki.DataBundle] = newBundle(issuer, trusted, now)
	return data, nil
}

// newBundle returns the certificates that the API server has to trust: the
// issuer first, and during the overlap those that it trusted before.
func newBundle(issuer *pki.Authority, before []byte, now time.Time) []byte {
	bundle := pki.EncodeCertificate(issuer.Certificate())
	if !now.Before(overlapEnd(issuer)) {
		return bundle
	}
	seen := map[string]bool{string(issuer.Certificate().Raw): true}
	for block, rest := pem.Decode(before); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil || seen[string(parsed.Raw)] || !now.Before(parsed.NotAfter) {
			continue
		}
		seen[string(parsed.Raw)] = true
		bundle = append(bundle, pki.EncodeCertificate(parsed)...)
	}
	return bundle
}
