// SPDX-License-Identifier: Apache-2.0

package advice

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// Advice is a line of the API page's tables of states.
type Advice struct {
	// Reason of the condition.
	Reason string
	// Status of the condition in the words of the API page.
	Status string
	// Meaning of the reason, in Markdown.
	Meaning string
	// Action is what to do, in Markdown.
	Action string
}

// Nothing is the Action if there is nothing to do.
const Nothing = "nothing"

// ForKey returns the advice on a reason of Ready of a key with the condition's
// status, and false if the reason is unknown.
func ForKey(reason, status string) (Advice, bool) {
	if reason == signetv1alpha1.ReasonSecretTerminating {
		return ofTerminating(status), true
	}
	return find(KeyReady, reason)
}

// ForUse returns the advice on a reason of InUse of a key.
func ForUse(reason string) (Advice, bool) {
	return find(KeyInUse, reason)
}

// ForBinding returns the advice on a reason of Ready of a binding.
func ForBinding(reason string) (Advice, bool) {
	return find(BindingReady, reason)
}

func find(table []Advice, reason string) (Advice, bool) {
	for _, advice := range table {
		if advice.Reason == reason {
			return advice, true
		}
	}
	return Advice{}, false
}

// ofTerminating distinguishes the states of SecretTerminating. False can mean
// either, and returns the worse one: saving a Secret needlessly does no harm.
func ofTerminating(status string) Advice {
	for _, advice := range KeyReady {
		if advice.Reason == signetv1alpha1.ReasonSecretTerminating && (advice.Status == status ||
			advice.Status == waiting && status == "Unknown") {
			return advice
		}
	}
	return Advice{Reason: signetv1alpha1.ReasonSecretTerminating}
}
