// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
)

const (
	// excerpts is the number of violations whose history is printed, with so many
	// lines before and after.
	excerpts     = 3
	linesBefore  = 40
	linesAfter   = 15
	manyFailures = 20
)

// Report is what a run has found.
type Report struct {
	Seed uint64
	// Faults by kind, and Starts of managers.
	Faults map[string]int
	Starts int
	// Revisions that the judge has checked, and States what it has seen in them.
	Revisions int
	States    map[string]int
	// Settled are the times from the end of the faults of a round until all is as it
	// is to be; Healed those until something stripped is protected again, under
	// faults.
	Settled, Healed []time.Duration
	// Deleted and Cleaned are the times until all objects, and then all namespaces,
	// are gone.
	Deleted, Cleaned time.Duration
	Violations       []judge.Violation
	// FirstAfter is the number of faults before the first broken rule was seen; zero
	// without one.
	FirstAfter int
	// Failures are what else went wrong, in whole sentences.
	Failures []string

	journal *journal
}

func (r *Report) noteFirst(faults int) {
	if r.FirstAfter == 0 {
		r.FirstAfter = faults
	}
}

// Failed reports whether a rule is broken.
func (r *Report) Failed() bool { return len(r.Violations) > 0 || len(r.Failures) > 0 }

// String returns the report as a text.
func (r *Report) String() string {
	var text strings.Builder
	total := 0
	for _, count := range r.Faults {
		total += count
	}
	fmt.Fprintf(&text, "seed %d: %d faults (%s), %d starts of a manager\n", r.Seed, total, counts(r.Faults), r.Starts)
	fmt.Fprintf(&text, "  %d revisions checked: %s\n", r.Revisions, counts(r.States))
	fmt.Fprintf(&text, "  settled: %s; protected again: %s; objects gone after %s, namespaces after %s\n",
		spread(r.Settled), spread(r.Healed), r.Deleted.Round(time.Millisecond), r.Cleaned.Round(time.Millisecond))
	fmt.Fprintf(&text, "  %d violations, %d failures", len(r.Violations), len(r.Failures))
	if r.Failed() {
		fmt.Fprintf(&text, ", the first one after %d faults", r.FirstAfter)
	}
	fmt.Fprintln(&text)
	for i, violation := range r.Violations {
		if i == manyFailures {
			fmt.Fprintf(&text, "  …\n")
			break
		}
		fmt.Fprintf(&text, "  %s\n", violation)
	}
	for _, failure := range r.Failures {
		fmt.Fprintf(&text, "  %s\n", failure)
	}
	return text.String()
}

// Excerpts returns what happened around the first violations.
func (r *Report) Excerpts() string {
	var text strings.Builder
	for _, violation := range r.Violations[:min(excerpts, len(r.Violations))] {
		namespace := violation.Subject[:strings.IndexAny(violation.Subject+"/", "/")]
		fmt.Fprintf(&text, "around %s\n  %s\n", violation,
			strings.Join(r.journal.around(namespace, violation.Since, linesBefore, linesAfter), "\n  "))
	}
	return text.String()
}

// WriteJournal writes all that happened to a file, and returns its path.
func (r *Report) WriteJournal() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("signet-chaos-%d.log", r.Seed))
	if err := os.WriteFile(path, []byte(r.journal.all()), 0o600); err != nil {
		return "", fmt.Errorf("write the journal: %w", err)
	}
	return path, nil
}

func counts(by map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, by[name]))
	}
	return strings.Join(parts, ", ")
}

// spread returns count, median and maximum.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(times))
	return fmt.Sprintf("%d times, median %s, max %s", len(sorted), sorted[len(sorted)/2].Round(time.Millisecond), sorted[len(sorted)-1].Round(time.Millisecond))
}
