package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// lookEvery is how often Secret and webhook configuration are looked at: an
	// authority that another replica has renewed is valid for months beside the
	// one before, so nothing depends on being quick.
	lookEvery = time.Minute
	// lookAgain is how soon after a failure.
	lookAgain = 2 * time.Second
)

// Options say where the keeper keeps what.
type Options struct {
	// Namespace and SecretName of the Secret that holds the authority.
	Namespace, SecretName string
	// WebhookConfiguration is the one ValidatingWebhookConfiguration that gets
	// the authority's certificate.
	WebhookConfiguration string
	// Hosts are the DNS names and IP addresses that serving certificates are for.
	Hosts []string
	// Clock tells the time.
	Clock clock.WithTicker
}

// Keeper keeps certificates. It runs in every replica.
type Keeper struct {
	client  client.Client
	options Options

	mu      sync.RWMutex
	serving *tls.Certificate
	issuer  *authority
	problem error
}

// New makes a keeper. The client must read from the API server: it may read
// the two objects by name alone.
func New(uncached client.Client, options Options) *Keeper {
	return &Keeper{client: uncached, options: options, problem: errors.New("the serving certificate has not been made yet")}
}

// NeedLeaderElection says that every replica runs the keeper: every one serves.
func (*Keeper) NeedLeaderElection() bool { return false }

// Start keeps the certificates until the context ends.
func (k *Keeper) Start(ctx context.Context) error {
	for {
		wait := lookEvery
		err := k.Keep(ctx)
		if err != nil {
			wait = lookAgain
		}
		if k.note(err) && ctx.Err() == nil {
			logf.FromContext(ctx).WithName("certs").Error(err, "cannot keep the webhook's certificates, trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.options.Clock.After(wait):
		}
	}
}

// note remembers what is wrong, and says whether that is news of a problem.
func (k *Keeper) note(err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	news := err != nil && (k.problem == nil || k.problem.Error() != err.Error())
	k.problem = err
	return news
}

// Keep looks once: authority, serving certificate, webhook configuration.
func (k *Keeper) Keep(ctx context.Context) error {
	issuer, bundle, err := k.authority(ctx)
	if err != nil {
		return err
	}
	if err := k.serve(issuer); err != nil {
		return err
	}
	return k.publish(ctx, bundle)
}

// authority reads the authority, makes it if there is none, and renews it in
// time. Of several replicas one wins; the others read what it has written.
func (k *Keeper) authority(ctx context.Context) (*authority, []byte, error) {
	now := k.options.Clock.Now()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: k.options.Namespace, Name: k.options.SecretName}}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("read Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	exists := err == nil
	if exists {
		issuer, err := decodeAuthority(secret.Data)
		if err == nil && now.Before(issuer.certificate.NotAfter.Add(-authorityRenew)) {
			return issuer, secret.Data[dataBundle], nil
		}
	}
	issuer, err := newAuthority(now)
	if err != nil {
		return nil, nil, err
	}
	if secret.Data, err = issuer.encode(secret.Data[dataBundle], now); err != nil {
		return nil, nil, err
	}
	if exists {
		err = k.client.Update(ctx, secret)
	} else {
		secret.Type = corev1.SecretTypeTLS
		secret.Labels = map[string]string{"app.kubernetes.io/name": "signet", "app.kubernetes.io/component": "webhook"}
		err = k.client.Create(ctx, secret)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return issuer, secret.Data[dataBundle], nil
}

// serve makes a serving certificate if there is none, or another authority, or
// it ends soon.
func (k *Keeper) serve(issuer *authority) error {
	now := k.options.Clock.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	same := k.issuer != nil && k.issuer.certificate.Equal(issuer.certificate)
	if same && now.Before(k.serving.Leaf.NotAfter.Add(-servingRenew)) {
		return nil
	}
	serving, err := issuer.sign(k.options.Hosts, now)
	if err != nil {
		return err
	}
	k.issuer, k.serving = issuer, serving
	expiry.Set(float64(serving.Leaf.NotAfter.Unix()))
	return nil
}

// publish puts the bundle into the webhook configuration, if it is not there.
func (k *Keeper) publish(ctx context.Context, bundle []byte) error {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	name := client.ObjectKey{Name: k.options.WebhookConfiguration}
	if err := k.client.Get(ctx, name, configuration); err != nil {
		return fmt.Errorf("read ValidatingWebhookConfiguration %s: %w", name.Name, err)
	}
	before := configuration.DeepCopy()
	changed := false
	for i := range configuration.Webhooks {
		target := &configuration.Webhooks[i].ClientConfig
		if !bytes.Equal(target.CABundle, bundle) {
			target.CABundle, changed = bundle, true
		}
	}
	if !changed {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := k.client.Patch(ctx, configuration, patch); err != nil {
		return fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", name.Name, err)
	}
	return nil
}

// GetCertificate answers TLS handshakes.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.serving == nil {
		return nil, errors.New("there is no serving certificate yet")
	}
	return k.serving, nil
}

// Check is a readiness check: a certificate is there and the API server has
// been told whom to trust.
func (k *Keeper) Check(*http.Request) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.serving == nil || !k.options.Clock.Now().Before(k.serving.Leaf.NotAfter) {
		return errors.Join(errors.New("there is no valid serving certificate"), k.problem)
	}
	return k.problem
}
