package rules

import (
	"bytes"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation/field"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// The keys of a source Secret's data.
const (
	DataKey    = "key"
	DataSecret = "secret"
)

// Half is one of the two halves of material.
type Half int

// The halves.
const (
	// Key is the identifier; for AES the cipher key, for PublicKey the public
	// half.
	Key Half = iota
	// Secret is what signs; for AES the vector, for PublicKey the private half.
	Secret
)

// limits are what a gateway allows in a half.
type limits struct {
	least, most int
	characters  *regexp.Regexp
	rule        string
}

const (
	letterOrDigit = "letter or digit"
	base64First   = "letter, digit, + or /"
)

// newLimits says it twice: for the machine, and in words. A regular expression
// of the library counts to 1000 at most, so lengths are checked apart.
func newLimits(least, most int, what, first, rest, firstWords, restWords string) limits {
	length := fmt.Sprintf("%d to %d", least, most)
	if least == most {
		length = fmt.Sprintf("exactly %d", least)
	}
	return limits{
		least: least, most: most,
		characters: regexp.MustCompile(`^[` + first + `][` + rest + `]*$`),
		rule:       fmt.Sprintf("%s has %s letters, digits and %s, first a %s", what, length, restWords, firstWords),
	}
}

const (
	word, wordWords       = `A-Za-z0-9_-`, "_ -"
	secret, secretWords   = `A-Za-z0-9_!@#$%-`, "_ - ! @ # $ %"
	base64ish, base64Word = `A-Za-z0-9_+/=-`, "_ - + / ="
	cipher, cipherWords   = `A-Za-z0-9_!@#$%+/=-`, "_ - ! @ # $ % + / ="
	alnum, alpha, alnum64 = `A-Za-z0-9`, `A-Za-z`, `A-Za-z0-9+/`
)

var (
	hmacLimits = [2]limits{
		newLimits(8, 32, "an HMAC key", alnum, word, letterOrDigit, wordWords),
		newLimits(16, 64, "an HMAC secret", alnum, secret, letterOrDigit, secretWords),
	}
	basicLimits = [2]limits{
		newLimits(4, 32, "a Basic key (user name)", alpha, word, "letter", wordWords),
		newLimits(8, 64, "a Basic secret (password)", alnum, secret, letterOrDigit, secretWords),
	}
	aesVector    = newLimits(16, 16, "an AES secret (vector)", alnum64, cipher, base64First, cipherWords)
	aes128Limits = [2]limits{newLimits(16, 16, "an aes-128-cfb key", alnum64, cipher, base64First, cipherWords), aesVector}
	aes256Limits = [2]limits{newLimits(32, 32, "an aes-256-cfb key", alnum64, cipher, base64First, cipherWords), aesVector}
	publicLimits = [2]limits{
		newLimits(8, 512, "a PublicKey key", alnum64, base64ish, base64First, base64Word),
		newLimits(16, 2048, "a PublicKey secret", alnum64, cipher, base64First, cipherWords),
	}
)

func limitsOf(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, half Half) (limits, bool) {
	switch {
	case t == signetv1alpha1.KeyTypeHMAC:
		return hmacLimits[half], true
	case t == signetv1alpha1.KeyTypeBasic:
		return basicLimits[half], true
	case t == signetv1alpha1.KeyTypeAES && algorithm == signetv1alpha1.AlgorithmAES128CFB:
		return aes128Limits[half], true
	case t == signetv1alpha1.KeyTypeAES && algorithm == signetv1alpha1.AlgorithmAES256CFB:
		return aes256Limits[half], true
	case t == signetv1alpha1.KeyTypePublicKey:
		return publicLimits[half], true
	default:
		return limits{}, false
	}
}

func (l limits) allow(value []byte) bool {
	return len(value) >= l.least && len(value) <= l.most && l.characters.Match(value)
}

// ValidateHalf says what is wrong with one half of material. The value is never
// part of the answer.
func ValidateHalf(path *field.Path, t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, half Half, value []byte) field.ErrorList {
	l, known := limitsOf(t, algorithm, half)
	if !known {
		return field.ErrorList{withheld(path, "no type and algorithm says what is allowed here")}
	}
	if l.allow(value) {
		return nil
	}
	if trimmed := bytes.TrimRight(value, "\r\n"); len(trimmed) < len(value) && l.allow(trimmed) {
		return field.ErrorList{withheld(path, "ends in a newline: make the value without one, with printf or kubectl create secret --from-literal")}
	}
	return field.ErrorList{withheld(path, l.rule)}
}

// ValidateMaterial says what is wrong with a key and secret.
func ValidateMaterial(t signetv1alpha1.KeyType, algorithm signetv1alpha1.KeyAlgorithm, key, secret []byte) field.ErrorList {
	path := field.NewPath("data")
	errs := join(
		ValidateHalf(path.Key(DataKey), t, algorithm, Key, key),
		ValidateHalf(path.Key(DataSecret), t, algorithm, Secret, secret),
	)
	if len(errs) == 0 && t == signetv1alpha1.KeyTypePublicKey {
		errs = keyPair(path, key, secret)
	}
	return errs
}

// ValidateSource says what is wrong with the data of a source Secret for the
// key that names it. Keys of the data that mean nothing here are ignored.
func ValidateSource(key *signetv1alpha1.SignatureKey, data map[string][]byte) field.ErrorList {
	path := field.NewPath("data")
	spec := &key.Spec
	keyHalf, hasKey := data[DataKey]
	secretHalf, hasSecret := data[DataSecret]
	if spec.Type == signetv1alpha1.KeyTypePublicKey {
		if errs := bothHalves(path, hasKey, hasSecret); len(errs) > 0 {
			return errs
		}
		return ValidateMaterial(spec.Type, spec.Algorithm, keyHalf, secretHalf)
	}
	if !hasKey && !hasSecret {
		return field.ErrorList{field.Required(path, "must have key, secret or both")}
	}
	var errs field.ErrorList
	if hasKey {
		errs = append(errs, ValidateHalf(path.Key(DataKey), spec.Type, spec.Algorithm, Key, keyHalf)...)
	}
	if hasSecret {
		errs = append(errs, ValidateHalf(path.Key(DataSecret), spec.Type, spec.Algorithm, Secret, secretHalf)...)
	}
	if hasKey && len(errs) == 0 && spec.Key != "" && spec.Key != string(keyHalf) {
		errs = append(errs, withheld(path.Key(DataKey), "differs from spec.key of SignatureKey "+key.Name+": give one of the two, or the same"))
	}
	return errs
}

func bothHalves(path *field.Path, hasKey, hasSecret bool) field.ErrorList {
	const both = "a key of type PublicKey needs both halves: key and secret"
	return join(
		rule(hasKey, field.Required(path.Key(DataKey), both)),
		rule(hasSecret, field.Required(path.Key(DataSecret), both)),
	)
}

// withheld is an error about a value that is not to be seen.
func withheld(path *field.Path, message string) *field.Error {
	return field.Invalid(path, field.OmitValueType{}, message)
}
