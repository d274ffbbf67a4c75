package webhookcert

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
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// lookEvery is how often Secret and webhook configuration are looked at:
	// short, since without the bundle the API server refuses all writes of our
	// kinds. Two reads by name cost less than a watch would ask of the role.
	lookEvery = 10 * time.Second
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
	Clock clock.Clock
}

// Rotator keeps certificates. It runs in every replica.
type Rotator struct {
	client  client.Client
	options Options

	mu      sync.RWMutex
	serving *tls.Certificate
	issuer  *Authority
	bundle  []byte
	// placed says that the bundle has been seen or put in place once.
	placed  bool
	problem error
}

// New makes a keeper. The client must read from the API server: it may read
// the two objects by name alone.
func New(uncached client.Client, options Options) *Rotator {
	return &Rotator{client: uncached, options: options, problem: errors.New("the serving certificate has not been made yet")}
}

// NeedLeaderElection says that every replica runs the keeper: every one serves.
func (*Rotator) NeedLeaderElection() bool { return false }

// Start keeps the certificates until the context ends.
func (k *Rotator) Start(ctx context.Context) error {
	for {
		wait := lookEvery
		err := k.Sync(ctx)
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
func (k *Rotator) note(err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	news := err != nil && (k.problem == nil || k.problem.Error() != err.Error())
	k.problem = err
	return news
}

// Sync looks once: serving certificate, authority, webhook configuration.
//
// A new authority is published first, and served with when a later look has
// found it in place: by then the API server has had the time to notice.
func (k *Rotator) Sync(ctx context.Context) error {
	if err := k.renew(); err != nil {
		return err
	}
	// Read before the Secret: a replica that has read an older Secret then
	// fails to overwrite the bundle of the newer one.
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	name := client.ObjectKey{Name: k.options.WebhookConfiguration}
	unpublished := k.client.Get(ctx, name, configuration)
	found, err := k.authority(ctx)
	if err != nil {
		return err
	}
	if unpublished != nil {
		return errors.Join(fmt.Errorf("read ValidatingWebhookConfiguration %s: %w", name.Name, unpublished), k.serve(found, false))
	}
	inPlace, err := k.publish(ctx, configuration, found.bundle)
	if err != nil {
		return errors.Join(err, k.serve(found, false))
	}
	k.mu.Lock()
	k.placed = true
	k.mu.Unlock()
	return k.serve(found, inPlace)
}

// renew makes another serving certificate of the authority that this replica
// knows, in time, whether or not the API server can be reached.
func (k *Rotator) renew() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.options.Clock.Now()
	if k.serving == nil || now.Before(k.serving.Leaf.NotAfter.Add(-servingRenew)) {
		return nil
	}
	return k.sign(k.issuer, now)
}

// serve takes the authority for the serving certificate: at once if there is
// none yet, else when its bundle has been found in place.
func (k *Rotator) serve(found shared, inPlace bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bundle = found.bundle
	same := k.issuer != nil && k.issuer.certificate.Equal(found.issuer.certificate)
	if same || (k.serving != nil && !inPlace) {
		return nil
	}
	return k.sign(found.issuer, k.options.Clock.Now())
}

// sign makes the serving certificate. The caller holds the lock.
func (k *Rotator) sign(issuer *Authority, now time.Time) error {
	serving, err := issuer.sign(k.options.Hosts, now)
	if err != nil {
		return err
	}
	k.issuer, k.serving = issuer, serving
	expiry.WithLabelValues("serving").Set(float64(serving.Leaf.NotAfter.Unix()))
	expiry.WithLabelValues("authority").Set(float64(issuer.certificate.NotAfter.Unix()))
	return nil
}

// remembered is the bundle that this replica has last seen.
func (k *Rotator) remembered() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.bundle
}

// publish puts the bundle into the webhook configuration, and says whether it
// was there already.
func (k *Rotator) publish(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, bundle []byte) (bool, error) {
	before := configuration.DeepCopy()
	inPlace := true
	for i := range configuration.Webhooks {
		target := &configuration.Webhooks[i].ClientConfig
		if !bytes.Equal(target.CABundle, bundle) {
			target.CABundle, inPlace = bundle, false
		}
	}
	if inPlace {
		return true, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := k.client.Patch(ctx, configuration, patch); err != nil {
		return false, fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", configuration.Name, err)
	}
	logf.FromContext(ctx).WithName("certs").Info("put the CA bundle into the webhook configuration", "configuration", configuration.Name)
	return false, nil
}

// GetCertificate answers TLS handshakes.
func (k *Rotator) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.serving == nil {
		return nil, errors.New("there is no serving certificate yet")
	}
	return k.serving, nil
}

// Check is a readiness check: a certificate is there, and the API server has
// been told whom to trust. A failure later on is no reason to serve no more: a
// certificate that is valid is trusted for its life.
func (k *Rotator) Check(*http.Request) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	switch {
	case k.serving == nil || !k.options.Clock.Now().Before(k.serving.Leaf.NotAfter):
		return errors.Join(errors.New("there is no valid serving certificate"), k.problem)
	case !k.placed:
		return errors.Join(errors.New("the CA bundle is not in the webhook configuration yet"), k.problem)
	default:
		return nil
	}
}
