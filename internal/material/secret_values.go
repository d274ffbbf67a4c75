// SPDX-License-Identifier: Apache-2.0

package material

import (
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// publicData are the keys, without the prefix of a version, whose values are no
// secret. The component "key" is one for type AES alone.
var publicData = []string{
	dataType, dataAlgorithm, dataDisplayName, dataTrigger, dataRevoke, dataChecksum,
	dataKey, dataKeyID, dataCreated, dataActivated, dataRetires, dataUsername,
}

// SecretValues returns the values in a Secret's data that no text may contain: the
// secret components, the cipher keys of type AES, what is derived from them, and
// everything that Signet does not know.
func SecretValues(data map[string][]byte) []Bytes {
	var values []Bytes
	for name, value := range data {
		name = strings.TrimPrefix(strings.TrimPrefix(name, prefixNext), prefixPrevious)
		isCipherKey := name == dataKey && string(data[dataType]) == string(signetv1alpha1.KeyTypeAES)
		if len(value) > 0 && (isCipherKey || !slices.Contains(publicData, name)) {
			values = append(values, value)
		}
	}
	return values
}
