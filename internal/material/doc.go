// SPDX-License-Identifier: Apache-2.0

// Package material contains the rules for the material of signature keys: how it
// is generated, how the data of a managed Secret is written and read, which step a
// rotation takes next, and which key a Secret belongs to.
//
// Goals: a Set describes everything that a managed Secret holds, and the Secret
// alone records the state of a rotation. Each step is one change of the set, so
// that a crash after any write leaves a state from which the next step follows.
// Components print [redacted], whatever prints them.
//
// Non-goals: the package is pure. Time and randomness are arguments, and it reads
// and writes no object. What a valid component is, is a rule of package
// validation. When a step is taken and what is reported about it is decided by
// package keyplan.
package material
