// SPDX-License-Identifier: Apache-2.0

// Command compat compares the recorded CRDs, kept in recorded/<name> of the folder
// that it is given, with those in its folder bases. It fails if anything was removed
// or accepts less than before.
//
// crdify does the comparison, in its strictest form: it reports every change of a
// schema that no validation knows. The validations in this package add what
// crdify lacks: names, subresources, versions, CEL rules, the merge semantics of
// lists and maps, and the keywords that it would report although the change
// accepts more.
//
// Printer columns are for people and may come and go. Versions are compared with
// the same version of a baseline, not with each other: different schemas are the
// reason to have several versions, and a conversion connects them.
package main
