// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report collects the rows of the table that hack/README.md copies.
type report struct{ rows []string }

// row adds a figure without a budget.
func (r *report) row(measure, value string) { r.add(measure, value, "–") }

// within adds a figure that is compared with its budget, in the same unit. A missed
// budget is printed as such.
func (r *report) within(measure string, value, budget float64, format string) {
	r.compare(measure, fmt.Sprintf(format, value), "at most "+fmt.Sprintf(format, budget), value <= budget)
}

// reaches is within for a figure that must not be less than its budget.
func (r *report) reaches(measure string, value, budget float64, format string) {
	r.compare(measure, fmt.Sprintf(format, value), "at least "+fmt.Sprintf(format, budget), value >= budget)
}

func (r *report) compare(measure, text, budget string, met bool) {
	if !met {
		text = "**" + text + "**, missed"
	}
	r.add(measure, text, budget)
}

func (r *report) add(measure, value, budget string) {
	line("%s: %s (budget: %s)", measure, value, budget)
	r.rows = append(r.rows, fmt.Sprintf("| %s | %s | %s |", measure, value, budget))
}

// printTable prints the rows as a table in Markdown.
func (r *report) printTable() {
	title("Table")
	line("| Measure | Value | Budget |\n|---|---|---|\n%s", strings.Join(r.rows, "\n"))
}

// compared are the figures of Signet and of the bare loop, by round.
type compared struct{ signet, bare []time.Duration }

// add adds a round of one side.
func (c *compared) add(role string, took time.Duration) {
	if role == roleBare {
		c.bare = append(c.bare, took)
		return
	}
	c.signet = append(c.signet, took)
}

// ratio returns the ratio of the medians, Signet to the bare loop.
func (c *compared) ratio() float64 { return float64(median(c.signet)) / float64(median(c.bare)) }

// print prints all rounds.
func (c *compared) print(what string) {
	line("%-44s Signet %s   bare loop %s", what+", seconds by round:", seconds(c.signet), seconds(c.bare))
}

func median(values []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

func seconds(values []time.Duration) string {
	var text string
	for _, value := range values {
		text += fmt.Sprintf("%7.2f", value.Seconds())
	}
	return text
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
func mebi(bytes int64) float64             { return float64(bytes) / (1 << 20) }

// kibiEach returns the bytes for each of the objects in KiB.
func kibiEach(bytes int64, objects int) float64 { return float64(bytes) / 1024 / float64(objects) }

func title(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }
func line(format string, args ...any)  { fmt.Printf(format+"\n", args...) }
