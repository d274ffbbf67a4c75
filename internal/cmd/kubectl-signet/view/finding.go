// SPDX-License-Identifier: Apache-2.0

package view

// Result of one check of doctor.
type Result string

// The results, best first.
const (
	OK Result = "ok"
	// Unknown means that the user may not read the object.
	Unknown Result = "unknown"
	// Warning means that it works but needs attention.
	Warning Result = "warning"
	// Failed means that it does not work, or not safely.
	Failed Result = "failed"
)

// Finding is the outcome of one check.
type Finding struct {
	Check   string `json:"check"`
	Result  Result `json:"result"`
	Message string `json:"message"`
	Action  string `json:"action,omitempty"`
}

// Diagnosis lists all findings of doctor.
type Diagnosis struct {
	Findings []Finding `json:"findings"`
}

// Failures returns the number of failed checks.
func (d *Diagnosis) Failures() int {
	failures := 0
	for _, finding := range d.Findings {
		if finding.Result == Failed {
			failures++
		}
	}
	return failures
}
