// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/slots"
)

// The data keys of a managed Secret that the comparison uses.
const (
	dataKeyID      = "key-id"
	prefixNext     = "next."
	prefixPrevious = "previous."
)

// Compare returns what another manager has changed in the state but should not
// have: anything but the end of the rotations and moves that were under way, and
// the passing of time. Without findings all is well. No finding has material.
func Compare(before, after *State) []string {
	var f findings
	for _, name := range slices.Sorted(maps.Keys(before.Secrets)) {
		f.compareSecret(name, before.Secrets[name], after.Secrets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(before.ConfigMaps)) {
		f.comparePublic(name, before.ConfigMaps[name], after)
	}
	f.sameNames("Secret", before.Secrets, after.Secrets)
	f.compareHolders(before.Holders(), after.Holders())
	for _, name := range slices.Sorted(maps.Keys(before.Keys)) {
		was, is := before.Keys[name], after.Keys[name]
		if is == nil {
			f.when(true, "SignatureKey %s is gone", name)
			continue
		}
		f.when(!equality.Semantic.DeepEqual(was.Spec, is.Spec), "the spec of SignatureKey %s was changed", name)
		f.compareObject(key, name, was, is, was.Status.Conditions, is.Status.Conditions)
		f.when(is.Status.ObservedGeneration != is.Generation, "the status of SignatureKey %s is about generation %d of %d", name, is.Status.ObservedGeneration, is.Generation)
	}
	for _, name := range slices.Sorted(maps.Keys(before.Bindings)) {
		was, is := before.Bindings[name], after.Bindings[name]
		if is == nil {
			f.when(true, "SignatureBinding %s is gone", name)
			continue
		}
		f.when(!equality.Semantic.DeepEqual(was.Spec, is.Spec), "the spec of SignatureBinding %s was changed", name)
		f.when(was.Status.KeyName != is.Status.KeyName, "SignatureBinding %s was signed for with %s and is with %s", name, was.Status.KeyName, is.Status.KeyName)
		f.compareObject(binding, name, was, is, was.Status.Conditions, is.Status.Conditions)
		f.when(is.Status.ObservedGeneration != is.Generation, "the status of SignatureBinding %s is about generation %d of %d", name, is.Status.ObservedGeneration, is.Generation)
	}
	return f
}

type findings []string

func (f *findings) when(wrong bool, format string, args ...any) {
	if wrong {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

func (f *findings) sameNames(kind string, before, after map[string]*corev1.Secret) {
	was, is := slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))
	f.when(!slices.Equal(was, is), "there were the %ss %v and are %v", kind, was, is)
}

// compareHolders expects the same holder of every slot, since the same time.
func (f *findings) compareHolders(before, after map[slots.Slot]string) {
	for slot, was := range before {
		f.when(after[slot] != was, "%s was held by %s and is by %q", pathOf(slot), was, after[slot])
	}
	for slot, is := range after {
		f.when(before[slot] == "", "%s was not held and is by %s", pathOf(slot), is)
	}
}

// compareSecret expects the same bytes, or those of the version that was next.
func (f *findings) compareSecret(name string, was, is *corev1.Secret) {
	if is == nil {
		f.when(true, "Secret %s is gone", name)
		return
	}
	f.when(was.Type != is.Type, "the type of Secret %s was changed", name)
	f.when(!maps.Equal(was.Labels, is.Labels), "the labels of Secret %s were changed", name)
	f.when(!maps.Equal(unfenced(was.Annotations), unfenced(is.Annotations)), "the annotations of Secret %s were changed", name)
	f.when(!equality.Semantic.DeepEqual(was.OwnerReferences, is.OwnerReferences), "the owner of Secret %s was changed", name)
	if !rotating(was.Data) {
		f.when(!maps.EqualFunc(was.Data, is.Data, bytes.Equal), "the data of Secret %s were changed", name)
		return
	}
	prefix := ""
	if len(was.Data[prefixNext+dataKeyID]) > 0 {
		prefix = prefixNext
	}
	for _, field := range []string{"key", "secret", dataKeyID, "created"} {
		f.when(!bytes.Equal(was.Data[prefix+field], is.Data[field]), "%s of Secret %s is not what it was under %q", field, name, prefix+field)
	}
	for _, field := range []string{"type", "algorithm", "display-name", "trigger", "revoke-trigger"} {
		f.when(!bytes.Equal(was.Data[field], is.Data[field]), "%s of Secret %s was changed", field, name)
	}
	f.when(rotating(is.Data), "Secret %s still holds more than one version", name)
}

// unfenced returns the annotations without the fencing token, which a manager changes
// before the first step that it takes with a public ConfigMap.
func unfenced(annotations map[string]string) map[string]string {
	rest := maps.Clone(annotations)
	delete(rest, signetv1alpha1.AnnotationFencingToken)
	return rest
}

// rotating reports whether the data hold a version besides the active one.
func rotating(data map[string][]byte) bool {
	return len(data[prefixNext+dataKeyID]) > 0 || len(data[prefixPrevious+dataKeyID]) > 0
}

// comparePublic expects the same public components, or those of the Secret as it is
// after a rotation.
func (f *findings) comparePublic(name string, was *corev1.ConfigMap, after *State) {
	is := after.ConfigMaps[name]
	if is == nil {
		f.when(true, "ConfigMap %s is gone", name)
		return
	}
	f.when(!equality.Semantic.DeepEqual(was.OwnerReferences, is.OwnerReferences), "the owner of ConfigMap %s was changed", name)
	f.when(!maps.Equal(was.Labels, is.Labels), "the labels of ConfigMap %s were changed", name)
	if was.Data[prefixNext+dataKeyID] == "" && was.Data[prefixPrevious+dataKeyID] == "" {
		f.when(!maps.Equal(was.Data, is.Data), "the data of ConfigMap %s were changed", name)
		return
	}
	secret := after.Secrets[strings.TrimSuffix(name, "-public")]
	for _, field := range []string{"key", dataKeyID} {
		f.when(secret == nil || is.Data[field] != string(secret.Data[field]), "%s of ConfigMap %s is not that of the Secret", field, name)
	}
	f.when(is.Data[prefixNext+dataKeyID] != "" || is.Data[prefixPrevious+dataKeyID] != "", "ConfigMap %s still holds more than one version", name)
}

// compareObject is about metadata and conditions.
func (f *findings) compareObject(kind, name string, was, is client.Object, before, after []metav1.Condition) {
	f.when(!maps.Equal(was.GetLabels(), is.GetLabels()), "the labels of %s %s were changed", kind, name)
	f.when(was.GetGeneration() != is.GetGeneration(), "%s %s was of generation %d and is of %d", kind, name, was.GetGeneration(), is.GetGeneration())
	f.when(was.GetDeletionTimestamp().IsZero() != is.GetDeletionTimestamp().IsZero(), "the deletion of %s %s was changed", kind, name)
	for _, condition := range before {
		now := meta.FindStatusCondition(after, condition.Type)
		if now == nil {
			f.when(true, "%s of %s %s was %s and is not there", condition.Type, kind, name, summary(condition))
			continue
		}
		f.when(summary(condition) != summary(*now) && !follows(condition, *now), "%s of %s %s was %s and is %s", condition.Type, kind, name, summary(condition), summary(*now))
	}
	ready := meta.FindStatusCondition(after, signetv1alpha1.ConditionReady)
	for _, condition := range after {
		fresh := meta.FindStatusCondition(before, condition.Type) == nil
		stalls := condition.Type == signetv1alpha1.ConditionStalled && ready != nil && ready.Status == metav1.ConditionFalse
		f.when(fresh && !stalls, "%s of %s %s was not there and is %s", condition.Type, kind, name, summary(condition))
		f.when(condition.ObservedGeneration != is.GetGeneration(), "%s of %s %s is about generation %d of %d", condition.Type, kind, name, condition.ObservedGeneration, is.GetGeneration())
	}
}

func summary(condition metav1.Condition) string {
	return string(condition.Status) + " " + condition.Reason
}

// follows reports whether a condition results from another as time passes: a
// wait stalls, a rotation settles, a key that bindings have moved away from is
// free.
func follows(was, is metav1.Condition) bool {
	switch was.Type {
	case signetv1alpha1.ConditionReady:
		return was.Status == metav1.ConditionUnknown && is.Status == metav1.ConditionFalse && was.Reason == is.Reason
	case signetv1alpha1.ConditionRotating:
		return was.Status == metav1.ConditionTrue && is.Reason == signetv1alpha1.ReasonSettled
	case signetv1alpha1.ConditionInUse:
		return was.Reason == signetv1alpha1.ReasonBound && is.Reason == signetv1alpha1.ReasonNotBound
	default:
		return false
	}
}
