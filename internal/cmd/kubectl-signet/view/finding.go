package view

// Verdict on one thing that doctor looks at.
type Verdict string

// The verdicts, best first.
const (
	OK Verdict = "ok"
	// Unknown: the caller may not see it.
	Unknown Verdict = "unknown"
	// Warning: it works, and is worth a look.
	Warning Verdict = "warning"
	// Failed: it does not work, or not safely.
	Failed Verdict = "failed"
)

// Finding is what doctor says of one thing.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Message string  `json:"message"`
	Action  string  `json:"action,omitempty"`
}

// Diagnosis is all that doctor has found.
type Diagnosis struct {
	Findings []Finding `json:"findings"`
}

// Failures is the number of things that do not work.
func (d *Diagnosis) Failures() int {
	failures := 0
	for _, finding := range d.Findings {
		if finding.Verdict == Failed {
			failures++
		}
	}
	return failures
}
