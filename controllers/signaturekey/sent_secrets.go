// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// sentSecrets records the managed Secrets that this process has sent to create, and whose
// creation was not acknowledged. Nothing outdates a create: it may take effect when the
// next Secret of the key is gone. Its bytes prove where it comes from, because no other
// client knows them.
type sentSecrets struct {
	mu   sync.Mutex
	keys map[types.NamespacedName]*sentSecretsOf
}

type sentSecretsOf struct {
	uid       types.UID
	checksums map[string]struct{}
}

func newSentSecrets() *sentSecrets {
	return &sentSecrets{keys: map[types.NamespacedName]*sentSecretsOf{}}
}

// store records a Secret that may be created for the key.
func (s *sentSecrets) store(key *signetv1alpha1.SignatureKey, secret *corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := client.ObjectKeyFromObject(key)
	if s.keys[name] == nil || s.keys[name].uid != key.UID {
		s.keys[name] = &sentSecretsOf{uid: key.UID, checksums: map[string]struct{}{}}
	}
	s.keys[name].checksums[material.Checksum(secret.Data)] = struct{}{}
}

// contains reports whether the Secret has the bytes of one that was sent for the key.
func (s *sentSecrets) contains(key *signetv1alpha1.SignatureKey, secret *corev1.Secret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.keys[client.ObjectKeyFromObject(key)]
	if sent == nil || sent.uid != key.UID || secret == nil {
		return false
	}
	_, found := sent.checksums[material.Checksum(secret.Data)]
	return found
}

// forget drops what was sent for a key that is gone.
func (s *sentSecrets) forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, name)
}
