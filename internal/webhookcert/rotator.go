// SPDX-License-Identifier: Apache-2.0

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

	"github.com/signet-dev/signet/internal/pki"
)

const (
	// syncInterval is the time between two checks of the Secret and the webhook
	// configuration. It is short because without the bundle the API server
	// refuses all writes of Signet's kinds. Two reads by name need fewer
	// permissions than a watch.
	syncInterval = 10 * time.Second
	// retryInterval is the time until the next check after a failed one.
	retryInterval = 2 * time.Second
)

// Options configure a Rotator.
type Options struct {
	// Namespace and SecretName name the Secret that holds the authority.
	Namespace, SecretName string
	// WebhookConfiguration names the ValidatingWebhookConfiguration whose CA
	// bundle the Rotator maintains.
	WebhookConfiguration string
	// Hosts are the DNS names and IP addresses in serving certificates.
	Hosts []string
	// Clock is the source of the current time.
	Clock clock.Clock
}

// Rotator maintains the webhook certificates. It runs in every replica.
type Rotator struct {
	client  client.Client
	options Options

	mu      sync.RWMutex
	serving *tls.Certificate
	issuer  *pki.Authority
	bundle  []byte
	// published is true once the bundle was found in, or written to, the
	// webhook configuration.
	published bool
	problem   error
}

// New returns a Rotator. The client must read from the API server: the manager's
// role allows reading the two objects by name only, which a cache cannot do.
func New(uncached client.Client, options Options) *Rotator {
	return &Rotator{client: uncached, options: options, problem: errors.New("serving certificate not created yet")}
}

// NeedLeaderElection returns false: every replica serves the webhooks.
func (*Rotator) NeedLeaderElection() bool { return false }

// Start maintains the certificates until the context ends.
func (r *Rotator) Start(ctx context.Context) error {
	for {
		interval := syncInterval
		err := r.Sync(ctx)
		if err != nil {
			interval = retryInterval
		}
		if r.recordProblem(err) && ctx.Err() == nil {
			logf.FromContext(ctx).WithName("certs").Error(err, "Failed to maintain the webhook certificates, retrying")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.options.Clock.After(interval):
		}
	}
}

// recordProblem stores the result of a Sync and reports whether it is a new
// problem.
func (r *Rotator) recordProblem(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	isNew := err != nil && (r.problem == nil || r.problem.Error() != err.Error())
	r.problem = err
	return isNew
}

// Sync checks the serving certificate, the authority and the webhook
// configuration once, and renews or repairs what needs it.
//
// A new authority is published first. It issues the serving certificate only
// after a later Sync has found it in place: by then the API server has had time
// to load it.
func (r *Rotator) Sync(ctx context.Context) error {
	if err := r.renewServing(); err != nil {
		return err
	}
	// Read before the Secret: a replica that has read an older Secret then
	// fails to overwrite the bundle of the newer one.
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	name := client.ObjectKey{Name: r.options.WebhookConfiguration}
	unpublished := r.client.Get(ctx, name, configuration)
	found, err := r.authority(ctx)
	if err != nil {
		return err
	}
	if unpublished != nil {
		return errors.Join(fmt.Errorf("read ValidatingWebhookConfiguration %s: %w", name.Name, unpublished), r.serve(found, false))
	}
	inPlace, err := r.publish(ctx, configuration, found.bundle)
	if err != nil {
		return errors.Join(err, r.serve(found, false))
	}
	r.mu.Lock()
	r.published = true
	r.mu.Unlock()
	return r.serve(found, inPlace)
}

// renewServing renews the serving certificate in time with the authority that
// this replica knows, whether or not the API server is reachable.
func (r *Rotator) renewServing() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Clock.Now()
	if r.serving == nil || now.Before(r.serving.Leaf.NotAfter.Add(-servingRenew)) {
		return nil
	}
	return r.issue(r.issuer, now)
}

// serve issues the serving certificate from the authority: immediately if there
// is none yet, otherwise when the bundle was found in place.
func (r *Rotator) serve(found sharedAuthority, inPlace bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bundle = found.bundle
	same := r.issuer != nil && r.issuer.Certificate().Equal(found.issuer.Certificate())
	if same || (r.serving != nil && !inPlace) {
		return nil
	}
	return r.issue(found.issuer, r.options.Clock.Now())
}

// issue issues the serving certificate. The caller holds the lock.
func (r *Rotator) issue(issuer *pki.Authority, now time.Time) error {
	serving, err := issuer.Issue(pki.Subject{Name: "signet webhook", Hosts: r.options.Hosts}, now, servingLife)
	if err != nil {
		return err
	}
	r.issuer, r.serving = issuer, serving
	expiry.WithLabelValues("serving").Set(float64(serving.Leaf.NotAfter.Unix()))
	expiry.WithLabelValues("authority").Set(float64(issuer.Certificate().NotAfter.Unix()))
	return nil
}

// lastBundle returns the bundle that this replica has last seen.
func (r *Rotator) lastBundle() []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.bundle
}

// publish writes the bundle to the webhook configuration. It reports whether the
// bundle was already there.
func (r *Rotator) publish(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, bundle []byte) (bool, error) {
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
	if err := r.client.Patch(ctx, configuration, patch); err != nil {
		return false, fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", configuration.Name, err)
	}
	logf.FromContext(ctx).WithName("certs").Info("Published the CA bundle", "validatingWebhookConfiguration", configuration.Name)
	return false, nil
}

// GetCertificate returns the serving certificate for TLS handshakes.
func (r *Rotator) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.serving == nil {
		return nil, errors.New("no serving certificate yet")
	}
	return r.serving, nil
}

// Check is a readiness check. It succeeds if the serving certificate is valid
// and the CA bundle has been published once. Later failures do not matter: the
// API server trusts a valid certificate until it expires.
func (r *Rotator) Check(*http.Request) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.serving == nil || !r.options.Clock.Now().Before(r.serving.Leaf.NotAfter):
		return errors.Join(errors.New("no valid serving certificate"), r.problem)
	case !r.published:
		return errors.Join(errors.New("CA bundle not published in the webhook configuration yet"), r.problem)
	default:
		return nil
	}
}
