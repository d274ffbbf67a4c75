package advice

import signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"

// ForRotation is the advice on a reason of Rotating of a key.
func ForRotation(reason string) (Advice, bool) {
	return find(KeyRotating, reason)
}

// KeyRotating is the reasons of Rotating of a key.
var KeyRotating = []Advice{
	{
		signetv1alpha1.ReasonSettled, "False",
		"one version signs, and no other is accepted",
		Nothing,
	},
	{
		signetv1alpha1.ReasonStaged, "True",
		"the next version is published, and signs at the time in the message",
		Nothing,
	},
	{
		signetv1alpha1.ReasonRetiring, "True",
		"it signs, and the previous one is accepted until the time in the message",
		Nothing,
	},
	{
		signetv1alpha1.ReasonNothingToRotate, "False",
		"a schedule, trigger or immediate is set, but both halves are supplied",
		"change the source, or leave out a half; or drop the settings",
	},
	{
		signetv1alpha1.ReasonResting, "False",
		"spec or source is not in order: no rotation begins",
		"see `Ready`",
	},
}
