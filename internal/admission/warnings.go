package admission

import (
	"fmt"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// keyWarnings are what is allowed but worth a second thought.
func keyWarnings(key *signetv1alpha1.SignatureKey) []string {
	var warnings []string
	if key.Spec.Type == signetv1alpha1.KeyTypeAES {
		warnings = append(warnings, "spec.type: AES gains nothing over HMAC, and both of its halves are secret: prefer HMAC")
	}
	rotation := key.Spec.Rotation
	if rotation == nil || (rotation.IntervalDays == nil && rotation.Trigger == "" && rotation.Immediate == "") {
		return warnings
	}
	warnings = append(warnings, "spec.rotation: this version does not rotate yet; the settings are kept, and a trigger is the consent to replace lost material")
	if nothingGenerated(key) {
		warnings = append(warnings, "spec.rotation: there is nothing to rotate if spec.secretRef supplies the rest: only generated halves are renewed")
	}
	return warnings
}

// nothingGenerated says that what the spec shows leaves nothing to generate.
// What the source Secret holds is not looked at.
func nothingGenerated(key *signetv1alpha1.SignatureKey) bool {
	if key.Spec.SecretRef == nil {
		return false
	}
	return key.Spec.Type == signetv1alpha1.KeyTypePublicKey || key.Spec.Key != ""
}

// keyStateWarning says that a binding will wait for its key.
func keyStateWarning(name string, key *signetv1alpha1.SignatureKey) string {
	switch {
	case key == nil:
		return fmt.Sprintf("spec.keyRef.name: there is no SignatureKey %s in this namespace yet: the binding waits for it", name)
	case !key.DeletionTimestamp.IsZero():
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %s is being deleted and takes no new bindings: name another key", name)
	case key.Status.KeyID == "":
		return fmt.Sprintf("spec.keyRef.name: SignatureKey %s has no material yet: the binding waits for it", name)
	default:
		return ""
	}
}

func takenMessage(api signetv1alpha1.APIReference, environment, holder string) string {
	return fmt.Sprintf("%s %s is held in environment %s by SignatureBinding %s: delete it from one of the two", api.Kind, api.Name, environment, holder)
}

func join(names []string) string { return strings.Join(names, ", ") }
