// SPDX-License-Identifier: Apache-2.0

package env

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// MaterialRecorder watches the managed Secrets of a namespace and records all
// material that they ever held.
type MaterialRecorder struct {
	stream watch.Interface

	mu       sync.Mutex
	material map[string]map[string]bool
}

// RecordMaterial starts a recorder. The caller calls Stop.
func RecordMaterial(ctx context.Context, c client.WithWatch, namespace string) (*MaterialRecorder, error) {
	stream, err := c.Watch(ctx, &corev1.SecretList{}, client.InNamespace(namespace),
		client.MatchingLabels{signetv1alpha1.LabelMaterial: signetv1alpha1.MaterialManaged})
	if err != nil {
		return nil, fmt.Errorf("watch managed Secrets: %w", err)
	}
	r := &MaterialRecorder{stream: stream, material: map[string]map[string]bool{}}
	go r.follow()
	return r, nil
}

// Stop ends the watch.
func (r *MaterialRecorder) Stop() { r.stream.Stop() }

func (r *MaterialRecorder) follow() {
	for event := range r.stream.ResultChan() {
		if secret, ok := event.Object.(*corev1.Secret); ok {
			r.record(secret)
		}
	}
}

func (r *MaterialRecorder) record(secret *corev1.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.material[secret.Name] == nil {
		r.material[secret.Name] = map[string]bool{}
	}
	r.material[secret.Name][string(secret.Data["key-id"])+" "+string(secret.Data["key"])+" "+string(secret.Data["secret"])] = true
}

// Versions returns how many versions each managed Secret has had, by name.
func (r *MaterialRecorder) Versions() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[string]int{}
	for name, versions := range r.material {
		counts[name] = len(versions)
	}
	return counts
}
