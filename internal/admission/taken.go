package admission

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/slots"
)

// lookup answers one request from the cache.
type lookup struct {
	reader  client.Reader
	binding *signetv1alpha1.SignatureBinding
	keys    map[string]*signetv1alpha1.SignatureKey
}

func newLookup(reader client.Reader, binding *signetv1alpha1.SignatureBinding) *lookup {
	return &lookup{reader: reader, binding: binding, keys: map[string]*signetv1alpha1.SignatureKey{}}
}

// key reads a key of the binding's namespace, once; nil if there is none.
func (l *lookup) key(ctx context.Context, name string) (*signetv1alpha1.SignatureKey, error) {
	if key, known := l.keys[name]; known {
		return key, nil
	}
	key := &signetv1alpha1.SignatureKey{}
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: l.binding.Namespace, Name: name}, key)
	if apierrors.IsNotFound(err) {
		key = nil
	} else if err != nil {
		return nil, fmt.Errorf("read SignatureKey %s/%s: %w", l.binding.Namespace, name, err)
	}
	l.keys[name] = key
	return key, nil
}

// taken finds the APIs that another binding has or will have, as far as the
// cache shows. The leader's ledger decides; this is for people who look.
func (l *lookup) taken(ctx context.Context) ([]taken, error) {
	var found []taken
	for i, api := range l.binding.Spec.APIs {
		claims, err := l.claims(ctx, api)
		if err != nil {
			return nil, err
		}
		if holder := slots.Holder(claims); holder != "" && holder != l.binding.Name {
			found = append(found, taken{at: i, api: api, holder: holder})
		}
	}
	return found, nil
}

// claims are those of all claimants of the API, the binding itself included.
func (l *lookup) claims(ctx context.Context, api signetv1alpha1.APIReference) ([]slots.Claim, error) {
	environment := l.binding.Spec.Environment
	var list signetv1alpha1.SignatureBindingList
	err := l.reader.List(ctx, &list, client.InNamespace(l.binding.Namespace),
		client.MatchingFields{index.BindingSlots: index.Slot(environment, api)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("look up who has %s %s: %w", api.Kind, api.Name, err)
	}
	candidates := []*signetv1alpha1.SignatureBinding{l.binding}
	for i := range list.Items {
		// The index also has those that hold the API and do not list it any
		// more: they are about to release it.
		if other := &list.Items[i]; other.Name != l.binding.Name && lists(other, environment, api) {
			candidates = append(candidates, other)
		}
	}
	if len(candidates) == 1 {
		return nil, nil
	}
	claims := make([]slots.Claim, 0, len(candidates))
	for _, candidate := range candidates {
		key, err := l.key(ctx, candidate.Spec.KeyRef.Name)
		if err != nil {
			return nil, err
		}
		if candidate.DeletionTimestamp.IsZero() && (key == nil || !comesTooLate(candidate, key)) {
			claims = append(claims, slots.Claim{
				Binding: candidate.Name,
				Created: candidate.CreationTimestamp.Time,
				BoundAt: boundAt(candidate, environment, api),
			})
		}
	}
	return claims, nil
}

func lists(binding *signetv1alpha1.SignatureBinding, environment string, api signetv1alpha1.APIReference) bool {
	if binding.Spec.Environment != environment {
		return false
	}
	for i := range binding.Spec.APIs {
		if binding.Spec.APIs[i] == api {
			return true
		}
	}
	return false
}

// boundAt is since when the binding holds the API; zero if it does not.
func boundAt(binding *signetv1alpha1.SignatureBinding, environment string, api signetv1alpha1.APIReference) time.Time {
	if binding.Status.Environment != environment {
		return time.Time{}
	}
	for i := range binding.Status.APIs {
		mark := &binding.Status.APIs[i]
		if mark.Name == api.Name && mark.Kind == api.Kind && mark.BoundAt != nil {
			return mark.BoundAt.Time
		}
	}
	return time.Time{}
}
