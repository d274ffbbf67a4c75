// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// State is all that Signet has to do with in a namespace, by name.
type State struct {
	Keys     map[string]*signetv1alpha1.SignatureKey
	Bindings map[string]*signetv1alpha1.SignatureBinding
	// Secrets are managed ones and sources.
	Secrets map[string]*corev1.Secret
	// ConfigMaps are those with public components.
	ConfigMaps map[string]*corev1.ConfigMap
}

// Look reads the state of the recorded objects.
func (c *Cluster) Look(ctx context.Context) (*State, error) {
	state := &State{}
	var (
		keys       signetv1alpha1.SignatureKeyList
		bindings   signetv1alpha1.SignatureBindingList
		secrets    corev1.SecretList
		configMaps corev1.ConfigMapList
	)
	for _, listed := range []struct {
		list  client.ObjectList
		label string
	}{{&keys, ""}, {&bindings, ""}, {&secrets, signetv1alpha1.LabelMaterial}, {&configMaps, signetv1alpha1.LabelKey}} {
		options := []client.ListOption{client.InNamespace(Recorded)}
		if listed.label != "" {
			options = append(options, client.HasLabels{listed.label})
		}
		if err := c.Admin.List(ctx, listed.list, options...); err != nil {
			return nil, fmt.Errorf("read the state: %w", err)
		}
	}
	state.Keys, state.Bindings = byName(keys.Items), byName(bindings.Items)
	state.Secrets, state.ConfigMaps = byName(secrets.Items), byName(configMaps.Items)
	return state, nil
}

func byName[T any, P interface {
	*T
	client.Object
}](items []T) map[string]P {
	all := map[string]P{}
	for i := range items {
		object := P(&items[i])
		all[object.GetName()] = object
	}
	return all
}

// Holders are the bindings that hold slots, and since when: all of them, should
// there be two.
func (s *State) Holders() map[slots.Slot]string {
	holders := map[slots.Slot]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Bindings)) {
		object := s.Bindings[name]
		for _, slot := range slots.HeldBy(object) {
			for i := range object.Status.APIs {
				if api := &object.Status.APIs[i]; api.Kind == slot.Kind && api.Name == slot.Name {
					holders[slot] = strings.TrimPrefix(fmt.Sprintf("%s and %s since %s", holders[slot], name, api.BoundAt.UTC()), " and ")
				}
			}
		}
	}
	return holders
}

// Written are the resourceVersions of all objects but those that wait: a wait
// stalls after five minutes, which may be any moment.
func (s *State) Written() map[string]string {
	written := map[string]string{}
	for name, object := range s.Keys {
		note(written, key, name, object, object.Status.Conditions)
	}
	for name, object := range s.Bindings {
		note(written, binding, name, object, object.Status.Conditions)
	}
	for name, object := range s.Secrets {
		note(written, "Secret", name, object, nil)
	}
	for name, object := range s.ConfigMaps {
		note(written, "ConfigMap", name, object, nil)
	}
	return written
}

func note(written map[string]string, kind, name string, object client.Object, conditions []metav1.Condition) {
	if meta.IsStatusConditionPresentAndEqual(conditions, signetv1alpha1.ConditionReady, metav1.ConditionUnknown) {
		return
	}
	written[kind+" "+name] = object.GetResourceVersion()
}
