// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// maxSentSecrets is how many Secrets are remembered for each key: a write that keeps
// failing is repeated with other bytes.
const maxSentSecrets = 16

// sentSecrets records the managed Secrets that this process has sent to create, and whose
// creation was not acknowledged. Nothing outdates a create: it may take effect when the
// next Secret of the key is gone. Until it does, no other client knows its bytes, which
// prove where it comes from.
type sentSecrets struct {
	mu   sync.Mutex
	keys map[types.NamespacedName]*sentSecretsOf
}

// sentSecretsOf are the checksums of the last Secrets that were sent for the key.
type sentSecretsOf struct {
	uid       types.UID
	checksums []string
}

func newSentSecrets() *sentSecrets {
	return &sentSecrets{keys: map[types.NamespacedName]*sentSecretsOf{}}
}

// store records a Secret that may be created for the key.
func (s *sentSecrets) store(key *signetv1alpha1.SignatureKey, secret *corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := client.ObjectKeyFromObject(key)
	sent := s.keys[name]
	if sent == nil || sent.uid != key.UID {
		sent = &sentSecretsOf{uid: key.UID}
		s.keys[name] = sent
	}
	sent.checksums = append(sent.checksums, material.Checksum(secret.Data))
	if excess := len(sent.checksums) - maxSentSecrets; excess > 0 {
		sent.checksums = slices.Delete(sent.checksums, 0, excess)
	}
}

// observe reports whether the Secret has the bytes of one that was sent for the key. One
// that is on record has been created, and is forgotten: a create takes effect once, and
// from then on other clients may know the bytes.
func (s *sentSecrets) observe(key *signetv1alpha1.SignatureKey, secret *corev1.Secret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := client.ObjectKeyFromObject(key)
	sent := s.keys[name]
	if sent == nil || sent.uid != key.UID || secret == nil {
		return false
	}
	at := slices.Index(sent.checksums, material.Checksum(secret.Data))
	if at >= 0 && string(secret.UID) == key.Status.SecretUID {
		if sent.checksums = slices.Delete(sent.checksums, at, at+1); len(sent.checksums) == 0 {
			delete(s.keys, name)
		}
	}
	return at >= 0
}

// forget drops what was sent for a key that is gone.
func (s *sentSecrets) forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, name)
}
