// SPDX-License-Identifier: Apache-2.0

// Command bench measures Signet's manager on a real control plane and prints the
// figures with their budgets (DESIGN.md, 13), last as a table.
//
// Goals: figures that can be compared within one run. The load comes from this process,
// admission is served by a replica that does not lead, and the leader that is measured,
// or the bare loop in its place, is a process of its own. What is compared with the bare
// loop alternates with it, and is given as the ratio of the medians.
//
// Non-goals: pass or fail. The machine is noisy, and a figure means something only
// next to the others of its run. A missed budget is printed as missed.
//
// Each part can be run alone, and smaller: bench --only rivals --rivals 100, bench --only
// keys -n 100 --rounds 1. With --profiles it writes profiles of CPU and heap. parts are in
// bench.go, one file has one part, and bare*.go are the bare loop.
package main
