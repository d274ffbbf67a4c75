// SPDX-License-Identifier: Apache-2.0

package advice

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// Advice is a line of the API page's tables of states.
type Advice struct {
	// Reason of the condition.
	Reason string
	// Status of the condition, as the API page words it.
	Status string
	// Meaning of the reason, in Markdown.
	Meaning string
	// Action is what to do, in Markdown.
	Action string
}

// Nothing is the Action where there is nothing to do.
const Nothing = "nothing"

// ForKey is the advice on a reason of Ready of a key, with the condition's
// status; false if the reason is not known.
func ForKey(reason, status string) (Advice, bool) {
	if reason == signetv1alpha1.ReasonSecretTerminating {
		return ofTerminating(status), true
	}
	return find(KeyReady, reason)
}

// ForUse is the advice on a reason of InUse of a key.
func ForUse(reason string) (Advice, bool) {
	return find(KeyInUse, reason)
}

// ForBinding is the advice on a reason of Ready of a binding.
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

// ofTerminating tells the states of SecretTerminating apart. False is the worse
// one where it can be either: who saves a Secret in vain has lost nothing.
func ofTerminating(status string) Advice {
	for _, advice := range KeyReady {
		if advice.Reason == signetv1alpha1.ReasonSecretTerminating && (advice.Status == status ||
			advice.Status == waiting && status == "Unknown") {
			return advice
		}
	}
	return Advice{Reason: signetv1alpha1.ReasonSecretTerminating}
}
