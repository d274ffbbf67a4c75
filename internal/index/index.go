// SPDX-License-Identifier: Apache-2.0

package index

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Names of the indexes. None of them is a field selector of the API server.
const (
	// KeySource finds SignatureKeys by the name of their source Secret.
	KeySource = "signet.source"
	// KeySecretName finds SignatureKeys by the name of their managed Secret.
	KeySecretName = "signet.secret"
)

// Setup registers all indexes. It must be called before the caches start.
func Setup(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		name   string
		values client.IndexerFunc
	}{
		{&signetv1alpha1.SignatureKey{}, KeySource, sourceOf},
		{&signetv1alpha1.SignatureKey{}, KeySecretName, secretOf},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.values); err != nil {
			return fmt.Errorf("index %T by %s: %w", index.object, index.name, err)
		}
	}
	return nil
}

func sourceOf(object client.Object) []string {
	key, ok := object.(*signetv1alpha1.SignatureKey)
	if !ok {
		return nil
	}
	return distinct([]string{key.SourceName()})
}

func secretOf(object client.Object) []string {
	key, ok := object.(*signetv1alpha1.SignatureKey)
	if !ok {
		return nil
	}
	return []string{key.EffectiveTargetName()}
}

// distinct sorts the values and removes empty and repeated ones.
func distinct(values []string) []string {
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) > 0 && values[0] == "" {
		values = values[1:]
	}
	return values
}
