// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/slots"
)

// lookup reads what one request needs from the cache.
type lookup struct {
	reader  client.Reader
	binding *signetv1alpha1.SignatureBinding
	keys    map[string]*signetv1alpha1.SignatureKey
}

func newLookup(reader client.Reader, binding *signetv1alpha1.SignatureBinding) *lookup {
	return &lookup{reader: reader, binding: binding, keys: map[string]*signetv1alpha1.SignatureKey{}}
}

// key reads a key of the binding's namespace once. It returns nil if the key does
// not exist.
func (l *lookup) key(ctx context.Context, name string) (*signetv1alpha1.SignatureKey, error) {
	if key, known := l.keys[name]; known {
		return key, nil
	}
	key, err := kubeclient.GetOrNil[signetv1alpha1.SignatureKey](ctx, l.reader, client.ObjectKey{Namespace: l.binding.Namespace, Name: name})
	if err != nil {
		return nil, fmt.Errorf("look up spec.keyRef: %w", err)
	}
	l.keys[name] = key
	return key, nil
}

// taken returns the APIs that another binding holds or will hold, as far as the
// cache shows, except for those that are signed exactly as the binding would.
// The leader's claim cache decides; this only informs users early.
func (l *lookup) taken(ctx context.Context) ([]taken, error) {
	others, err := l.otherClaimants(ctx)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	positions := make(map[signetv1alpha1.APIReference]int, len(l.binding.Spec.APIs))
	for i, api := range l.binding.Spec.APIs {
		positions[api] = i
	}
	claims := make([][]slots.Candidate, len(l.binding.Spec.APIs))
	signsAlike := map[string]bool{}
	for _, candidate := range append(others, l.binding) {
		signsAlike[candidate.Name] = slots.SignsAlike(candidate, l.binding)
		eligible, err := l.eligible(ctx, candidate)
		if err != nil {
			return nil, err
		}
		if eligible {
			l.addClaims(claims, candidate, positions)
		}
	}
	var found []taken
	for i, api := range l.binding.Spec.APIs {
		holder := slots.Holder(claims[i])
		standby, _ := slots.IsStandby(claims[i], l.binding.Name, func(name string) bool { return signsAlike[name] })
		if holder != "" && holder != l.binding.Name && !standby {
			found = append(found, taken{position: i, api: api, holder: holder})
		}
	}
	return found, nil
}

// otherClaimants returns the other bindings that list one of the APIs, each once.
func (l *lookup) otherClaimants(ctx context.Context) ([]*signetv1alpha1.SignatureBinding, error) {
	var claimants []*signetv1alpha1.SignatureBinding
	seen := map[string]bool{l.binding.Name: true}
	for _, slot := range slots.ListedBy(l.binding) {
		var list signetv1alpha1.SignatureBindingList
		err := l.reader.List(ctx, &list, client.InNamespace(l.binding.Namespace),
			client.MatchingFields{index.BindingSlots: slot.String()}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, fmt.Errorf("list bindings for %s %q: %w", slot.Kind, slot.Name, err)
		}
		for i := range list.Items {
			if other := &list.Items[i]; !seen[other.Name] {
				seen[other.Name] = true
				claimants = append(claimants, other)
			}
		}
	}
	return claimants, nil
}

// eligible reports whether the binding can claim any API.
func (l *lookup) eligible(ctx context.Context, binding *signetv1alpha1.SignatureBinding) (bool, error) {
	if !binding.DeletionTimestamp.IsZero() {
		return false, nil
	}
	key, err := l.key(ctx, binding.Spec.KeyRef.Name)
	return key == nil || !slots.CreatedAfterDeletion(binding, key), err
}

// addClaims adds the candidate's claims to the APIs of the binding. An API that
// the candidate holds but no longer lists is about to be released: no claim.
func (l *lookup) addClaims(claims [][]slots.Candidate, candidate *signetv1alpha1.SignatureBinding, positions map[signetv1alpha1.APIReference]int) {
	environment := l.binding.Spec.Environment
	if candidate.Spec.Environment != environment {
		return
	}
	since := map[int]time.Time{}
	for i := range candidate.Status.APIs {
		apiStatus := &candidate.Status.APIs[i]
		position, wanted := positions[signetv1alpha1.NewAPIReference(apiStatus.Kind, apiStatus.Name)]
		if wanted && apiStatus.BoundAt != nil && candidate.Status.Environment == environment {
			since[position] = apiStatus.BoundAt.Time
		}
	}
	for _, api := range candidate.Spec.APIs {
		if position, wanted := positions[api]; wanted {
			claims[position] = append(claims[position], slots.Candidate{
				Name: candidate.Name, Created: candidate.CreationTimestamp.Time, BoundAt: since[position],
			})
		}
	}
}
