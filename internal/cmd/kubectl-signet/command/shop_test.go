// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// plantedSecret must never be printed.
const plantedSecret = "planted-secret-0123456789abcdef-planted"

// createShop makes the namespaces shop, which is read, and applied, which is
// written.
func createShop(ctx context.Context) error {
	set := material.Set{Type: signetv1alpha1.KeyTypeHMAC, DisplayName: "orders", Active: material.Version{
		ID: "v1", Key: []byte("orders_app"), Secret: []byte(plantedSecret), Created: time.Unix(1767225600, 0).UTC(),
	}}
	objects := []client.Object{
		namespace("shop"), namespace("applied"), key("shop", "orders"), key("shop", "payments"), key("applied", "orders"),
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", Labels: map[string]string{signetv1alpha1.LabelKey: "orders"}},
			Type:       signetv1alpha1.SecretType, Data: set.Encode(),
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "viewer"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "signet-view"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "viewer"}},
		},
		&rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "routes"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{gwapiv1.GroupName}, Resources: []string{"*"}, Verbs: []string{"list"}}},
		},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "reader"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "routes"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "reader"}},
		},
		gen.Gateway("edge", gen.InNamespace("shop")),
		route("shop", "orders"), route("shop", "payments"), route("applied", "orders"),
		binding("orders", "orders", "application/x"), binding("orders-takeover", "payments"),
	}
	for _, object := range objects {
		status := object.DeepCopyObject().(client.Object)
		if err := cluster.Admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
		}
		switch status.(type) {
		case *corev1.Namespace, *corev1.Secret, *rbacv1.Role, *rbacv1.RoleBinding, *gwapiv1.Gateway:
			continue
		}
		status.SetResourceVersion(object.GetResourceVersion())
		if err := cluster.Admin.Status().Update(ctx, status); err != nil {
			return fmt.Errorf("write the status of %T %s: %w", object, object.GetName(), err)
		}
	}
	return nil
}

func namespace(name string) client.Object {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: 1,
		LastTransitionTime: metav1.NewTime(time.Unix(1767225600, 0)),
	}
}

func key(namespace, name string) client.Object {
	k := gen.SignatureKey(name, gen.InNamespace(namespace))
	if name == "payments" {
		gen.WithSource("payments-own")(k)
		k.Status.Conditions = []metav1.Condition{condition("Ready", metav1.ConditionFalse, "SourceNotFound", `Secret "payments-own" does not exist or lacks the label signet.dev/signature-material: "true". Create or label it.`)}
		return k
	}
	k.Status = signetv1alpha1.SignatureKeyStatus{
		SecretName: name, KeyID: "v1", Bindings: &signetv1alpha1.KeyBindings{Count: 1, Names: []string{"orders"}},
		Versions: []signetv1alpha1.KeyVersion{{ID: "v1", State: signetv1alpha1.VersionActive}},
		Conditions: []metav1.Condition{
			condition("Ready", metav1.ConditionTrue, "Ready", "the key has material"), condition("Rotating", metav1.ConditionFalse, "Settled", ""),
		},
	}
	return k
}

func route(namespace, name string) client.Object {
	r := gen.HTTPRoute(name, gen.InNamespace(namespace), gen.WithParents("edge"), gen.WithLabels(map[string]string{"app": name}))
	r.Generation = 1
	gen.Accepted(r)
	return r
}

// binding binds the route orders; with signed headers it is the holder.
func binding(name, keyName string, holder ...string) client.Object {
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKindHTTPRoute, "orders")
	b := gen.SignatureBinding(name, keyName, gen.InNamespace("shop"), gen.WithHTTPRoutes(api.Name))
	b.Status = signetv1alpha1.SignatureBindingStatus{Environment: "RELEASE", TotalAPIs: 1}
	if len(holder) > 0 {
		b.Spec.SignatureHeader, b.Spec.SignedHeaders = "X-Signature", []string{"content-type"}
		b.Status.KeyName, b.Status.BoundAPIs = keyName, 1
		b.Status.APIs = []signetv1alpha1.APIStatus{{Group: api.Kind.Group(), Kind: api.Kind, Name: api.Name, State: signetv1alpha1.APIBound}}
		b.Status.Conditions = []metav1.Condition{condition("Ready", metav1.ConditionTrue, "Bound", "all APIs are bound")}
		return b
	}
	b.Status.APIs = []signetv1alpha1.APIStatus{{Group: api.Kind.Group(), Kind: api.Kind, Name: api.Name, State: signetv1alpha1.APIConflicted, Holder: "orders"}}
	b.Status.Conditions = []metav1.Condition{condition("Ready", metav1.ConditionFalse, "Conflicted", `1 of 1 APIs are held by other bindings in environment "RELEASE": HTTPRoute "orders" by SignatureBinding "orders". Delete the API from one of the two; this binding then takes over automatically.`)}
	return b
}

// answerTrigger does what the manager does when it sees the trigger: one step
// after the other, each in a status.
func answerTrigger(ctx context.Context, name client.ObjectKey, trigger string) error {
	var key signetv1alpha1.SignatureKey
	for key.Trigger() != trigger {
		if err := cluster.Admin.Get(ctx, name, &key); err != nil {
			return err
		}
	}
	key.Status.ObservedTrigger, key.Status.KeyID = trigger, "v2"
	key.Status.Versions = []signetv1alpha1.KeyVersion{{ID: "v2", State: signetv1alpha1.VersionActive}}
	return cluster.Admin.Status().Update(ctx, &key)
}
