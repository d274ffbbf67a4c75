// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// checkPublic checks that the public ConfigMap of a PublicKey key has the version
// that signs. One that a user has deleted is Signet's to write again.
func (j *Judge) checkPublic(n *namespace) {
	found := findings{}
	for name := range n.heldKeys() {
		key := n.keys[name]
		if key == nil || key.Spec.Type != signetv1alpha1.KeyTypePublicKey || !n.stays() {
			continue
		}
		public, secret := n.publics[key.PublicConfigMapName()], n.secrets[key.EffectiveTargetName()]
		if public == nil || secret == nil || string(secret.UID) != key.Status.SecretUID {
			continue
		}
		set, err := material.Decode(secret.Data)
		if err != nil {
			continue // checkMaterial reports it
		}
		if !publishes(public.Data, &set.Active) {
			found["public "+public.Name] = fmt.Sprintf("it lacks version %s, which signs for %q", set.Active.ID, n.holdersOf(name))
		}
	}
	j.settle(ruleMaterial, n, found)
}

func publishes(data map[string]string, v *material.Version) bool {
	for _, prefix := range []string{"", "next.", "previous."} {
		if data[prefix+"key-id"] == v.ID && data[prefix+"key"] == string(v.Key) {
			return true
		}
	}
	return false
}
