// SPDX-License-Identifier: Apache-2.0

//go:build !race

package signature

// raceDetector is true if the race detector runs, which makes pools drop items at
// random.
const raceDetector = false
