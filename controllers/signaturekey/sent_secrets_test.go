// SPDX-License-Identifier: Apache-2.0

package signaturekey

import (
	"testing"

	"github.com/signet-dev/signet/internal/testing/gen"
)

func TestSentSecrets(t *testing.T) {
	key, sent := testKey(), newSentSecrets()
	secret := testSecret(t)
	sent.store(key, secret)
	other := testSecret(t)
	if sent.observe(key, other) || sent.observe(testKey(gen.WithUID("successor")), secret) || sent.observe(key, nil) {
		t.Error("what was not sent for the key is taken for it")
	}
	for range 2 {
		if !sent.observe(key, secret) {
			t.Error("what was sent is not recognized until it is on record")
		}
	}
	recorded := key.DeepCopy()
	recorded.Status.SecretUID = string(secret.UID)
	sent.observe(recorded, secret)
	if sent.observe(recorded, secret) || len(sent.keys) != 0 {
		t.Error("bytes that have been on record prove nothing")
	}
	for range 2 * maxSentSecrets {
		sent.store(key, testSecret(t))
	}
	sent.store(key, secret)
	if got := len(sent.keys[orders].checksums); got != maxSentSecrets || !sent.observe(key, secret) {
		t.Errorf("%d are remembered", got)
	}
}
