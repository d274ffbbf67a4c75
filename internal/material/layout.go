// SPDX-License-Identifier: Apache-2.0

package material

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// The keys of a managed Secret's data.
const (
	dataType        = "type"
	dataAlgorithm   = "algorithm"
	dataDisplayName = "display-name"
	dataTrigger     = "trigger"
	dataRevoke      = "revoke-trigger"
	dataSalt        = "salt"
	dataChecksum    = "checksum"

	dataKey       = "key"
	dataSecret    = "secret"
	dataKeyID     = "key-id"
	dataCreated   = "created"
	dataActivated = "activated"
	dataRetires   = "retires"

	prefixNext     = "next."
	prefixPrevious = "previous."

	dataUsername   = "username"
	dataPassword   = "password"
	dataCredential = "credential"
)

// versionData are the keys of one version, without their prefix.
var versionData = []string{dataKey, dataSecret, dataKeyID, dataCreated, dataActivated, dataRetires}

// original are the keys of the data that are not derived from others, in order.
var original = func() []string {
	names := []string{dataType, dataAlgorithm, dataDisplayName, dataTrigger, dataRevoke, dataSalt}
	for _, prefix := range []string{"", prefixNext, prefixPrevious} {
		for _, name := range versionData {
			names = append(names, prefix+name)
		}
	}
	slices.Sort(names)
	return names
}()

// Encode returns the data of the managed Secret.
func (s *Set) Encode() map[string][]byte {
	data := map[string][]byte{
		dataType:        []byte(s.Type),
		dataDisplayName: []byte(s.DisplayName),
		dataTrigger:     []byte(s.Trigger),
		dataRevoke:      []byte(s.RevokeTrigger),
	}
	if s.Algorithm != "" {
		data[dataAlgorithm] = []byte(s.Algorithm)
	}
	if len(s.Salt) > 0 {
		data[dataSalt] = slices.Clone(s.Salt)
	}
	s.Active.encode(data, "")
	if s.Next != nil {
		s.Next.encode(data, prefixNext)
	}
	if s.Previous != nil {
		s.Previous.encode(data, prefixPrevious)
	}
	data[dataChecksum] = []byte(Checksum(data))
	if s.Type == signetv1alpha1.KeyTypeBasic {
		data[dataUsername] = slices.Clone(s.Active.Key)
		data[dataPassword] = slices.Clone(s.Active.Secret)
		pair := slices.Concat(s.Active.Key, []byte(":"), s.Active.Secret)
		data[dataCredential] = []byte("Basic " + base64.StdEncoding.EncodeToString(pair))
	}
	return data
}

func (v *Version) encode(data map[string][]byte, prefix string) {
	data[prefix+dataKey] = slices.Clone(v.Key)
	data[prefix+dataSecret] = slices.Clone(v.Secret)
	data[prefix+dataKeyID] = []byte(v.ID)
	for name, t := range map[string]time.Time{dataCreated: v.Created, dataActivated: v.Activated, dataRetires: v.Retires} {
		if !t.IsZero() {
			data[prefix+name] = []byte(t.UTC().Format(time.RFC3339))
		}
	}
}

// Checksum covers all original keys that exist and their values, each preceded by
// its length, in the order of the keys. It ignores all other keys.
func Checksum(data map[string][]byte) string {
	sum := sha256.New()
	for _, name := range original {
		value, there := data[name]
		if !there {
			continue
		}
		writePart(sum, []byte(name))
		writePart(sum, value)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// writePart adds a part to a sum, preceded by its length.
func writePart(sum hash.Hash, part []byte) {
	_ = binary.Write(sum, binary.BigEndian, uint64(len(part)))
	sum.Write(part)
}

// Public returns the data of the public ConfigMap: the public components of a
// PublicKey key, which backends read without ever seeing a private one.
func (s *Set) Public() map[string]string {
	data := map[string]string{dataType: string(s.Type)}
	s.Active.public(data, "")
	if s.Next != nil {
		s.Next.public(data, prefixNext)
	}
	if s.Previous != nil {
		s.Previous.public(data, prefixPrevious)
		if !s.Previous.Retires.IsZero() {
			data[prefixPrevious+dataRetires] = s.Previous.Retires.UTC().Format(time.RFC3339)
		}
	}
	return data
}

// IsPublished reports whether the data of a public ConfigMap has the active version of a
// managed Secret, in any state.
func IsPublished(secret map[string][]byte, public map[string]string) bool {
	active := string(secret[dataKeyID])
	for _, prefix := range []string{"", prefixNext, prefixPrevious} {
		if active != "" && public[prefix+dataKeyID] == active {
			return true
		}
	}
	return false
}

func (v *Version) public(data map[string]string, prefix string) {
	data[prefix+dataKeyID] = v.ID
	data[prefix+dataKey] = string(v.Key)
}

// hasVersion reports whether the data has a component of a version with the
// prefix, or its ID. Times alone make no version.
func hasVersion(data map[string][]byte, prefix string) bool {
	for _, name := range []string{dataKey, dataSecret, dataKeyID} {
		if _, there := data[prefix+name]; there {
			return true
		}
	}
	return false
}
