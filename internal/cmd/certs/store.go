// SPDX-License-Identifier: Apache-2.0

package certs

import "context"

// location identifies a certificate in a store.
type location struct {
	// name is unique among the certificates.
	name string
	// namespace is the namespace of its Secret. Folders ignore it.
	namespace string
}

// store holds certificates.
type store interface {
	// read returns nil if there is nothing at the location.
	read(ctx context.Context, at location) (map[string][]byte, error)
	// check returns the error that a first write would cause. It writes nothing.
	check(ctx context.Context, at location) error
	// write creates the certificate or replaces it.
	write(ctx context.Context, at location, data map[string][]byte) error
	// describe names the location in messages.
	describe(at location) string
}

func newStore(options Options) (store, error) {
	if options.Secrets {
		return newCluster(options.Kubeconfig)
	}
	return folder(options.Out), nil
}
