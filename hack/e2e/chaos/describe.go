// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/chaos/judge"
)

// describe returns a revision in one line, without material.
func describe(r *judge.Revision) string {
	if r.Object == nil {
		return fmt.Sprintf("%s %s is gone", kindName(r.Deleted), r.Name)
	}
	text := kindName(r.Object) + " " + r.Name + lifeOf(r.Object)
	switch object := r.Object.(type) {
	case *signetv1alpha1.SignatureBinding:
		return text + describeBinding(object)
	case *signetv1alpha1.SignatureKey:
		return text + fmt.Sprintf(" trigger=%s revoke=%s | %s id=%s secret=%s token=%d observed=%s", object.Trigger(), object.RevokeTrigger(),
			readyOf(object.Status.Conditions), short(object.Status.KeyID), short(object.Status.SecretUID), object.Status.FencingToken,
			object.Status.ObservedTrigger)
	case *corev1.Secret:
		return text + fmt.Sprintf(" uid=%s id=%s next=%s previous=%s", short(string(object.UID)),
			short(string(object.Data["key-id"])), short(string(object.Data["next.key-id"])), short(string(object.Data["previous.key-id"])))
	case *corev1.ConfigMap:
		return text + fmt.Sprintf(" id=%s next=%s previous=%s", short(object.Data["key-id"]), short(object.Data["next.key-id"]),
			short(object.Data["previous.key-id"]))
	default:
		return text
	}
}

func describeBinding(binding *signetv1alpha1.SignatureBinding) string {
	var wanted, held []string
	for _, api := range binding.Spec.APIs {
		wanted = append(wanted, api.Name)
	}
	for i := range binding.Status.APIs {
		if api := &binding.Status.APIs[i]; api.BoundAt != nil {
			held = append(held, api.Name)
		}
	}
	return fmt.Sprintf(" %s:%s:%s | %s:%s:%s %s token=%d", binding.Spec.KeyRef.Name, binding.Spec.Environment, strings.Join(wanted, ","),
		binding.Status.KeyName, binding.Status.Environment, strings.Join(held, ","), readyOf(binding.Status.Conditions), binding.Status.FencingToken)
}

// lifeOf describes protection, deletion, owner and mark.
func lifeOf(object client.Object) string {
	text := ""
	if signetv1alpha1.IsProtected(object) {
		text += " +"
	}
	if !object.GetDeletionTimestamp().IsZero() {
		text += " terminating"
	}
	if owner := metav1.GetControllerOf(object); owner != nil {
		text += " owner=" + short(string(owner.UID))
	}
	if mark := object.GetAnnotations()[judge.Mark]; mark != "" {
		text += " mark=" + mark
	}
	return text
}

func readyOf(conditions []metav1.Condition) string {
	if ready := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return "-"
}

func short(id string) string { return id[:min(len(id), 6)] }

func kindName(object client.Object) string {
	name := fmt.Sprintf("%T", object)
	return strings.ToLower(strings.TrimPrefix(name[strings.LastIndex(name, ".")+1:], "Signature"))
}
