// SPDX-License-Identifier: Apache-2.0

//go:build !race

package signature

// raceDetector says that pools drop at random what they are given.
const raceDetector = false
