// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"bytes"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// The keys of a source Secret's data.
const (
	DataKey    = "key"
	DataSecret = "secret"
)

// Component is one of the two components of material.
type Component int

// The components.
const (
	// Key is the identifier: for AES the cipher key, for PublicKey the public key.
	Key Component = iota
	// Secret signs: for AES it is the vector, for PublicKey the private key.
	Secret
)

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

// firstCharacter is the set of characters that a component may start with.
type firstCharacter struct{ characters, words string }

var (
	letter        = firstCharacter{letters, "letter"}
	letterOrDigit = firstCharacter{letters + digits, "letter or digit"}
	base64First   = firstCharacter{letters + digits + "+/", "letter, digit, + or /"}
)

// The characters that components may contain in addition to letters and digits.
const (
	inIdentifiers = "_-"
	inSecrets     = "_-!@#$%"
	inBase64      = "_-+/="
	inCiphers     = "_-!@#$%+/="
)

// limits are what gateways allow in a component. This is their only place, apart
// from those of spec.identifier, which the CRD repeats.
type limits struct {
	what        string
	least, most int
	first       firstCharacter
	specials    string
}

var (
	hmacLimits = [2]limits{
		Key:    {"an HMAC key", 8, 32, letterOrDigit, inIdentifiers},
		Secret: {"an HMAC secret", 16, 64, letterOrDigit, inSecrets},
	}
	basicLimits = [2]limits{
		Key:    {"a Basic key (user name)", 4, 32, letter, inIdentifiers},
		Secret: {"a Basic secret (password)", 8, 64, letterOrDigit, inSecrets},
	}
	aesVector    = limits{"an AES secret (vector)", 16, 16, base64First, inCiphers}
	aes128Limits = [2]limits{
		Key:    {"an aes-128-cfb key", 16, 16, base64First, inCiphers},
		Secret: aesVector,
	}
	aes256Limits = [2]limits{
		Key:    {"an aes-256-cfb key", 32, 32, base64First, inCiphers},
		Secret: aesVector,
	}
	publicLimits = [2]limits{
		Key:    {"a PublicKey key", 8, 512, base64First, inBase64},
		Secret: {"a PublicKey secret", 16, 2048, base64First, inCiphers},
	}
)

func limitsOf(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, component Component) (limits, bool) {
	switch {
	case t == signetv1alpha1.KeyTypeAES && algorithm == signetv1alpha1.AlgorithmAES128CFB:
		return aes128Limits[component], true
	case t == signetv1alpha1.KeyTypeAES && algorithm == signetv1alpha1.AlgorithmAES256CFB:
		return aes256Limits[component], true
	case algorithm != "":
		return limits{}, false
	case t == signetv1alpha1.KeyTypeHMAC:
		return hmacLimits[component], true
	case t == signetv1alpha1.KeyTypeBasic:
		return basicLimits[component], true
	case t == signetv1alpha1.KeyTypePublicKey:
		return publicLimits[component], true
	default:
		return limits{}, false
	}
}

// MaxLength returns the maximum length of a component, or zero if the type does
// not take the algorithm.
func MaxLength(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, component Component) int {
	l, _ := limitsOf(t, algorithm, component)
	return l.most
}

func (l limits) allow(value []byte) bool {
	if len(value) < l.least || len(value) > l.most || !strings.ContainsRune(l.first.characters, rune(value[0])) {
		return false
	}
	for _, b := range value {
		if !strings.ContainsRune(letters+digits+l.specials, rune(b)) {
			return false
		}
	}
	return true
}

func (l limits) words() string {
	length := fmt.Sprintf("%d to %d", l.least, l.most)
	if l.least == l.most {
		length = fmt.Sprintf("exactly %d", l.least)
	}
	return fmt.Sprintf("%s has %s letters, digits and any of %s, starting with a %s",
		l.what, length, strings.Join(strings.Split(l.specials, ""), " "), l.first.words)
}

// ValidateComponent returns the errors of one component of material, without its
// value.
func ValidateComponent(path *field.Path, t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, component Component, value []byte) field.ErrorList {
	l, known := limitsOf(t, algorithm, component)
	if !known {
		return field.ErrorList{withheld(path, "no limits are known for this type and algorithm")}
	}
	if l.allow(value) {
		return nil
	}
	return field.ErrorList{withheld(path, l.fault(t, value))}
}

// fault names the mistake in a value that is not allowed if it is a usual one,
// and quotes the rule otherwise.
func (l limits) fault(t signetv1alpha1.KeyType, value []byte) string {
	line, broken := bytes.CutSuffix(value, []byte("\n"))
	if broken && l.allow(bytes.TrimSuffix(line, []byte("\r"))) {
		return "ends with a newline. Create the value without one, using printf or kubectl create secret --from-literal"
	}
	if t != signetv1alpha1.KeyTypePublicKey {
		return l.words()
	}
	if bytes.Contains(value, []byte("-----BEGIN")) {
		return "is PEM. Supply the DER in base64 instead, in one line (openssl pkey -outform DER, then base64 -w0)"
	}
	if l.allow(bytes.Join(bytes.Fields(value), nil)) {
		return "contains line breaks. Supply the base64 in one line (base64 -w0)"
	}
	return l.words()
}

// ValidateMaterial returns the errors of a key and secret, without their values.
func ValidateMaterial(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, key, secret []byte) field.ErrorList {
	path := field.NewPath("data")
	errs := join(
		ValidateComponent(path.Key(DataKey), t, algorithm, Key, key),
		ValidateComponent(path.Key(DataSecret), t, algorithm, Secret, secret),
	)
	if len(errs) == 0 && t == signetv1alpha1.KeyTypePublicKey {
		errs = keyPair(path, key, secret)
	}
	return errs
}

// ValidateSource returns the errors in the data of a source Secret for a key that
// references it. Unknown data keys are ignored.
func ValidateSource(key *signetv1alpha1.SignatureKey, data map[string][]byte) field.ErrorList {
	path := field.NewPath("data")
	spec := &key.Spec
	keyValue, hasKey := data[DataKey]
	secretValue, hasSecret := data[DataSecret]
	if spec.Type == signetv1alpha1.KeyTypePublicKey {
		if errs := bothComponents(path, hasKey, hasSecret); len(errs) > 0 {
			return errs
		}
		return ValidateMaterial(spec.Type, spec.Algorithm, keyValue, secretValue)
	}
	if !hasKey && !hasSecret {
		return field.ErrorList{field.Required(path, "must contain key, secret or both")}
	}
	var errs field.ErrorList
	if hasKey {
		errs = suppliedKey(path.Key(DataKey), key, keyValue)
	}
	if hasSecret {
		errs = append(errs, ValidateComponent(path.Key(DataSecret), spec.Type, spec.Algorithm, Secret, secretValue)...)
	}
	return errs
}

func suppliedKey(path *field.Path, key *signetv1alpha1.SignatureKey, value []byte) field.ErrorList {
	spec := &key.Spec
	if errs := ValidateComponent(path, spec.Type, spec.Algorithm, Key, value); len(errs) > 0 {
		return errs
	}
	// spec.identifier exists for types whose key is not secret: no need for constant time.
	return rule(spec.Identifier == "" || spec.Identifier == string(value),
		withheld(path, fmt.Sprintf("differs from spec.identifier of SignatureKey %q. Supply only one of them, or equal values", key.Name)))
}

func bothComponents(path *field.Path, hasKey, hasSecret bool) field.ErrorList {
	const both = "a key of type PublicKey needs both components: key and secret"
	return join(
		rule(hasKey, field.Required(path.Key(DataKey), both)),
		rule(hasSecret, field.Required(path.Key(DataSecret), both)),
	)
}

// withheld returns an error that omits the value.
func withheld(path *field.Path, message string) *field.Error {
	return field.Invalid(path, field.OmitValueType{}, message)
}
