// SPDX-License-Identifier: Apache-2.0

// Package gen builds the objects that tests use: keys, bindings, Secrets and the
// objects of the Gateway API. A builder sets what every object of its kind needs
// and leaves the rest to options:
//
//	gen.SignatureKey("orders", gen.InNamespace(namespace), gen.WithSource("own"))
//
// An option that fits any kind is an ObjectOption. An option for one kind is a
// function that also works as a mutation of an existing object, and a test can
// write one for a field that no option covers.
package gen
