// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// journal has what happened in a run, in order, and counts the faults by kind.
type journal struct {
	mu     sync.Mutex
	lines  []line
	faults map[string]int
	total  int
}

type line struct {
	at        time.Time
	namespace string
	revision  int64
	text      string
}

func newJournal() *journal { return &journal{faults: map[string]int{}} }

// note adds a line about a namespace; empty for all.
func (j *journal) note(namespace, format string, args ...any) {
	j.add(line{namespace: namespace, text: fmt.Sprintf(format, args...)})
}

func (j *journal) add(l line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l.at = time.Now()
	j.lines = append(j.lines, l)
}

// fault counts a fault and adds a line about it.
func (j *journal) fault(namespace, kind, format string, args ...any) {
	j.note(namespace, "fault: "+kind+": "+format, args...)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults[kind]++
	j.total++
}

// injected returns the number of faults so far.
func (j *journal) injected() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.total
}

// byKind returns the faults so far.
func (j *journal) byKind() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.faults)
}

// around returns the lines about a namespace before and after the first line of a
// revision.
func (j *journal) around(namespace string, revision int64, before, after int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	own := slices.DeleteFunc(slices.Clone(j.lines), func(l line) bool { return l.namespace != "" && l.namespace != namespace })
	at := slices.IndexFunc(own, func(l line) bool { return l.revision >= revision })
	if at < 0 {
		at = len(own)
	}
	var texts []string
	for _, l := range own[max(0, at-before):min(len(own), at+after)] {
		texts = append(texts, l.String())
	}
	return texts
}

// all returns the whole journal as a text.
func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var text strings.Builder
	for _, l := range j.lines {
		fmt.Fprintln(&text, l)
	}
	return text.String()
}

// String returns the line with its time.
func (l line) String() string {
	return fmt.Sprintf("%s %-8s %s", l.at.Format("15:04:05.000"), l.namespace, l.text)
}
