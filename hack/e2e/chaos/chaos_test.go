// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

const (
	// A run without FAULTS is part of `make test`.
	shortFaults, shortRounds, shortSeed = 300, 3, 1
	// The long form has as many seeds, unless SEEDS names them, and rounds of this
	// size.
	longSeeds, roundFaults = 4, 125
)

func TestChaos(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	for _, options := range plan(t) {
		t.Run(fmt.Sprintf("seed %d", options.Seed), func(t *testing.T) {
			report, err := Run(t.Context(), options)
			if report != nil {
				describeReport(t, report)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func describeReport(t *testing.T, report *Report) {
	t.Helper()
	t.Log(report)
	if report.Failed() || testing.Verbose() {
		path, err := report.WriteJournal()
		t.Logf("the journal is in %s %v", path, err)
	}
	if report.Failed() {
		t.Errorf("the rules are broken\n%s", report.Excerpts())
	}
}

// plan returns the runs that the environment asks for.
func plan(t *testing.T) []Options {
	t.Helper()
	faults, rounds, seeds := shortFaults, shortRounds, seedsOf(t)
	if text := os.Getenv("FAULTS"); text != "" {
		var err error
		if faults, err = strconv.Atoi(text); err != nil {
			t.Fatalf("FAULTS: %v", err)
		}
		for os.Getenv("SEEDS") == "" && len(seeds) < longSeeds {
			seeds = append(seeds, rand.Uint64N(1_000_000))
		}
		rounds = max(1, faults/len(seeds)/roundFaults)
	}
	if len(seeds) == 0 {
		seeds = []uint64{shortSeed}
	}
	var runs []Options
	for _, seed := range seeds {
		runs = append(runs, Options{
			Seed: seed, Faults: faults / len(seeds), Rounds: rounds, Namespaces: 6,
			Settle: 150 * time.Second, Cleanup: 3 * time.Minute, Heal: time.Minute,
			StopEarly: os.Getenv("STOP_EARLY") != "", Checkout: os.Getenv("CHECKOUT"), Out: os.Stderr,
		})
	}
	return runs
}

// seedsOf returns the seeds in SEEDS.
func seedsOf(t *testing.T) []uint64 {
	t.Helper()
	var seeds []uint64
	for _, text := range strings.Fields(strings.ReplaceAll(os.Getenv("SEEDS"), ",", " ")) {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEEDS: %v", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}
