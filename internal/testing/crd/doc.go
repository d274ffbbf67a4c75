// SPDX-License-Identifier: Apache-2.0

// Package crd evaluates a CustomResourceDefinition without an API server. Tests
// use it to compare the rules of the CRD with other rules on many objects within
// milliseconds.
//
// Load refuses a CRD that the API server would not create, for example because its
// CEL rules exceed the cost budget. Validate returns the errors that the API server
// answers to a create or update: schema, list types and CEL rules, with
// ratcheting. It uses the API server's own packages in the order in which the
// strategy for custom resources calls them, so a comparison with a real API server
// is only needed to show that this order is right.
//
// The package covers what clients write: it resets status as the API server does
// for a CRD with the status subresource, and does not validate updates of status.
// Admission is not part of it.
package crd
