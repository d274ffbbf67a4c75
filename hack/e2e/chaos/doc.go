// SPDX-License-Identifier: Apache-2.0

// Package chaos runs two managers while everything around them fails, and checks
// every revision of every object that Signet's promises are about.
//
// # Goals
//
//   - Real programs: the binary as the Dockerfile builds it, twice, with leader
//     election and the shipped roles, policies and webhooks; etcd, kube-apiserver and
//     kube-controller-manager.
//   - Faults of requests, in a proxy between each manager and the API server: refused,
//     delayed, answered late, answered with an error although they took effect, cut
//     off after they took effect, and delivered up to seven seconds after the client
//     was cut off. Watches are held and cut.
//   - Faults of programs: managers are killed, stopped beyond their lease and cut off;
//     kube-apiserver and etcd are killed and started again.
//   - Users who do everything that users may, and some things that they should not:
//     keys of all types and their sources, bindings that rival, moves, rotations,
//     deletions of all kinds, finalizers and labels taken by force, namespaces that go
//     and come back.
//   - No revision is missed: the judge reads etcd itself, whose watch continues where
//     it was interrupted. Its rules are in package judge.
//   - A run ends with a calm after each round of faults, in which all has to settle,
//     and with the deletion of everything, after which nothing may remain.
//
// A seed repeats the plan: which faults and operations, in which order, for each
// proxy and each namespace. It does not repeat how the programs take turns.
//
// # Non-goals
//
//   - Routes and Gateways: APIs are of kind API. Publication decides nothing about
//     slots, keys or protection.
//   - The signer, and what it serves from its snapshot.
//   - Data of a managed Secret that another client changes: packages keyplan and
//     signaturekey test that.
//   - Managers that serve single namespaces.
//   - Clocks that are wrong, and the loss of etcd's data.
//
// # Files
//
//	options.go     what a run does
//	run.go         one run: start, rounds, clean up
//	proxy.go       the way of a manager to the API server
//	faults.go      what happens to its requests
//	stream.go      what happens to its watches
//	process.go     a manager that is started again whenever it ends
//	disturb.go     what happens to programs
//	service.go     the way of the API server to the webhooks
//	workload.go    users of one namespace
//	operations.go  what they do
//	rivalry.go     how they contend for APIs
//	damage.go      what they should not do
//	calm.go        what only users can repair, and the wait until all is settled
//	history.go     every revision, from etcd to the judge
//	describe.go    a revision in one line
//	journal.go     all that happened, in order
//	report.go      what a run has found
//	dice.go        seeded decisions
//
// TestChaos takes FAULTS, SEEDS, STOP_EARLY (end with the first finding) and CHECKOUT
// (build the manager there) from the environment. Without FAULTS it runs the short
// form. With -v, or if it fails, it writes a journal for each seed.
package chaos
