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
)

// The keys of the Secret's data: those of type kubernetes.io/tls, and the
// bundle, which for an overlap holds the authority before as well.
const (
	dataCertificate = corev1.TLSCertKey
	dataKey         = corev1.TLSPrivateKeyKey
	dataBundle      = "ca.crt"

	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// attempts is how often replicas that write the Secret at the same time read
// again what another has written.
const attempts = 3

// shared is what the Secret holds.
type shared struct {
	issuer *Authority
	bundle []byte
}

// authority reads the shared authority, makes it if there is none, and renews
// it in time. Of several replicas one wins; the others take what it has written.
func (k *Rotator) authority(ctx context.Context) (shared, error) {
	var found shared
	raced := func(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }
	err := retry.OnError(wait.Backoff{Steps: attempts}, raced, func() (err error) {
		found, err = k.tryAuthority(ctx)
		return err
	})
	return found, err
}

func (k *Rotator) tryAuthority(ctx context.Context) (shared, error) {
	name := client.ObjectKey{Namespace: k.options.Namespace, Name: k.options.SecretName}
	secret := &corev1.Secret{}
	err := k.client.Get(ctx, name, secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return shared{}, fmt.Errorf("read Secret %s: %w", name, err)
	}
	exists, now := err == nil, k.options.Clock.Now()
	trusted := secret.Data[dataBundle]
	issuer, problem := DecodeAuthority(secret.Data)
	if problem != nil || !now.Before(issuer.dueAt()) {
		// Of a Secret that was deleted or broken, this replica remembers whom
		// the API server trusts: what others still serve stays trusted.
		trusted = append(bytes.Clone(trusted), k.remembered()...)
		if issuer, err = newAuthority(now); err != nil {
			return shared{}, err
		}
	}
	data, err := encodeAuthority(issuer, trusted, now)
	if err != nil {
		return shared{}, err
	}
	held := shared{issuer: issuer, bundle: data[dataBundle]}
	if exists && problem == nil && bytes.Equal(secret.Data[dataBundle], held.bundle) && bytes.Equal(secret.Data[dataCertificate], data[dataCertificate]) {
		return held, nil
	}
	if err := k.writeSecret(ctx, exists, secret, data); err != nil {
		return shared{}, fmt.Errorf("write Secret %s: %w", name, err)
	}
	logf.FromContext(ctx).WithName("certs").Info("wrote the authority of the webhook's certificates",
		"secret", name.String(), "ends", issuer.certificate.NotAfter.Format(time.RFC3339))
	return held, nil
}

func (k *Rotator) writeSecret(ctx context.Context, exists bool, secret *corev1.Secret, data map[string][]byte) error {
	if exists {
		secret.Data = data
		return k.client.Update(ctx, secret)
	}
	return k.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: k.options.Namespace, Name: k.options.SecretName,
			Labels: map[string]string{"app.kubernetes.io/name": "signet", "app.kubernetes.io/component": "webhook"},
		},
		Type: corev1.SecretTypeTLS,
		Data: data,
	})
}

func encodeAuthority(issuer *Authority, trusted []byte, now time.Time) (map[string][]byte, error) {
	data, err := issuer.Encode()
	if err != nil {
		return nil, err
	}
	data[dataBundle] = bundleOf(issuer, trusted, now)
	return data, nil
}

// bundleOf is whom the API server is to trust: the issuer first, and for an
// overlap those that it trusted before.
func bundleOf(issuer *Authority, before []byte, now time.Time) []byte {
	bundle := encodeBlock(certificateBlock, issuer.certificate.Raw)
	if !now.Before(issuer.overlapEnds()) {
		return bundle
	}
	seen := map[string]bool{string(issuer.certificate.Raw): true}
	for block, rest := pem.Decode(before); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil || seen[string(parsed.Raw)] || !now.Before(parsed.NotAfter) {
			continue
		}
		seen[string(parsed.Raw)] = true
		bundle = append(bundle, encodeBlock(certificateBlock, parsed.Raw)...)
	}
	return bundle
}
