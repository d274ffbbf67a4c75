package signaturekey

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/index"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/status"
	"github.com/signet-dev/signet/internal/validation"
)

// gather collects the halves that spec and source supply. Without a sound
// source nothing new is made, since what is generated now would be replaced
// when the source comes; what is there stays in force.
func (r *Reconciler) gather(ctx context.Context, run *keyRun) error {
	v := sourceVerdict(run.key, run.source)
	if v.IsZero() {
		var err error
		if v, err = r.secretElsewhere(ctx, run); err != nil {
			return err
		}
	}
	if v.IsZero() {
		run.supplied = suppliedTo(run.key, run.source)
		return nil
	}
	if v.Reason == signetv1alpha1.ReasonSourceNotFound {
		run.say(v)
	} else {
		run.refuse(v.Reason, v.Message)
	}
	return nil
}

// sourceVerdict says what is wrong with the key's source; it is empty if
// nothing is, or if there is none.
func sourceVerdict(key *signetv1alpha1.SignatureKey, source *corev1.Secret) status.Readiness {
	name := key.SourceName()
	switch {
	case name == "":
		return status.Readiness{}
	case source == nil:
		return status.Waiting(signetv1alpha1.ReasonSourceNotFound, sourceNotFound(name))
	case material.IsManaged(source):
		return status.Stalled(signetv1alpha1.ReasonInvalidSource, fmt.Sprintf(
			"Secret %s is one that Signet writes: name a Secret of your own in spec.source.secretRef.", name))
	case source.Labels[signetv1alpha1.LabelMaterial] != signetv1alpha1.MaterialSource:
		return status.Waiting(signetv1alpha1.ReasonSourceNotFound, sourceNotFound(name))
	}
	if errs := validation.ValidateSource(key, source.Data); len(errs) > 0 {
		return status.Stalled(signetv1alpha1.ReasonInvalidMaterial, fmt.Sprintf("Mend Secret %s: %s.", name, validation.Summarize(errs)))
	}
	return status.Readiness{}
}

// secretElsewhere refuses a source whose key would be shown in this key's status
// while it is the secret cipher key of another: who may create keys need not be
// one who may read Secrets.
func (r *Reconciler) secretElsewhere(ctx context.Context, run *keyRun) (status.Readiness, error) {
	key := run.key
	if run.source == nil || key.Spec.Type == signetv1alpha1.KeyTypeAES || run.source.Data[validation.DataKey] == nil {
		return status.Readiness{}, nil
	}
	var keys signetv1alpha1.SignatureKeyList
	err := r.Client.List(ctx, &keys, client.InNamespace(key.Namespace),
		client.MatchingFields{index.KeySource: run.source.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return status.Readiness{}, fmt.Errorf("list the keys that name Secret %s/%s: %w", key.Namespace, run.source.Name, err)
	}
	for i := range keys.Items {
		if other := &keys.Items[i]; other.Spec.Type == signetv1alpha1.KeyTypeAES {
			return status.Stalled(signetv1alpha1.ReasonInvalidSource, fmt.Sprintf(
				"Secret %s supplies SignatureKey %s of type AES, whose key is secret, and the key of this type is shown: name another Secret in spec.source.secretRef.",
				run.source.Name, other.Name)), nil
		}
	}
	return status.Readiness{}, nil
}

func suppliedTo(key *signetv1alpha1.SignatureKey, source *corev1.Secret) *material.Supplied {
	var data map[string][]byte
	if source != nil {
		data = source.Data
	}
	supplied := material.SuppliedTo(key, data)
	return &supplied
}

func sourceNotFound(name string) string {
	return fmt.Sprintf("Create Secret %s, or give it the label %s: %q.", name,
		signetv1alpha1.LabelMaterial, signetv1alpha1.MaterialSource)
}
