// SPDX-License-Identifier: Apache-2.0

// Command compat compares the recorded CRDs, kept in recorded/<name> of the folder
// that it is given, with those in its folder bases. It fails if anything was removed
// or accepts less than before.
//
// crdify does the comparison, in its strictest form: it reports every change of a
// keyword that no validation knows, even one that accepts more. The validations in
// this package are those that crdify lacks:
//
//	spec.group, spec.names     crdify does not compare group, kind, plural, short
//	                           names or categories
//	spec.versions              crdify looks for versions in status alone, which the
//	                           CRDs in a repository do not have, and not at
//	                           subresources
//	x-kubernetes-validations   crdify reports each change of a list of CEL rules,
//	                           even of a message; only a new rule may accept less
//	additionalProperties       crdify compares the schema of a map's values under
//	                           its own path, and reports each change of it again
//	                           as one that it does not know
//
// Printer columns are for people and may come and go. Versions are compared with
// the same version of a baseline, not with each other: different schemas are the
// reason to have several versions, and a conversion connects them.
package main
