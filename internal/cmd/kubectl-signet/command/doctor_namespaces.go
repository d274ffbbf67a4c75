// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const (
	namespacesFlag = "--namespaces="
	grantAction    = "apply its RoleBindings (config/namespaced, or the chart), or remove the namespace from --namespaces"
)

// servedNamespaces reports what keeps the manager from serving a namespace of
// --namespaces. The manager serves the others.
func (d *doctor) servedNamespaces(ctx context.Context) []view.Finding {
	names, err := d.configuredNamespaces(ctx)
	if err != nil || len(names) == 0 {
		return nil // the check of the Deployment reports that it cannot be read
	}
	var findings []view.Finding
	for _, name := range names {
		findings = append(findings, d.servedNamespace(ctx, name))
	}
	return findings
}

func (d *doctor) servedNamespace(ctx context.Context, name string) view.Finding {
	check := "namespace " + name + " of the manager"
	if err := d.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); apierrors.IsNotFound(err) {
		return found(check, view.Failed, "it does not exist, so it is not served", "create it with its RoleBindings (config/namespaced, or the chart), or remove it from --namespaces")
	} else if err != nil {
		return failure(check, err, "")
	}
	roleBinding := &rbacv1.RoleBinding{}
	err := d.Get(ctx, client.ObjectKey{Namespace: name, Name: managerName}, roleBinding)
	switch {
	case apierrors.IsNotFound(err):
		return found(check, view.Failed, "RoleBinding "+managerName+" does not exist, so the namespace is not served", grantAction)
	case err != nil:
		return failure(check, err, grantAction)
	case !roleBinding.DeletionTimestamp.IsZero():
		return found(check, view.Warning, "RoleBinding "+managerName+" is being deleted: the manager removes its finalizers and leaves the namespace",
			"wait until the RoleBinding is gone; then remove the namespace from --namespaces, or create the RoleBinding again")
	case roleBinding.RoleRef.Kind != "ClusterRole":
		return found(check, view.Warning, fmt.Sprintf("RoleBinding %s refers to a %s, which is deleted with the namespace: the namespace may stay Terminating", managerName, roleBinding.RoleRef.Kind),
			"delete the RoleBinding and the Role, and apply config/namespaced/cluster and config/namespaced again")
	default:
		return fine(check, "RoleBinding "+managerName+" lets the manager work in it")
	}
}

// worksElsewhere reports whether the manager works in some namespaces only.
func (d *doctor) worksElsewhere(ctx context.Context) bool {
	names, err := d.configuredNamespaces(ctx)
	return err == nil && len(names) > 0
}

// configuredNamespaces returns those in the flag of the manager's Deployment, in which
// config/namespaced refers to a ConfigMap; none stands for all.
func (d *doctor) configuredNamespaces(ctx context.Context) ([]string, error) {
	deployment := &appsv1.Deployment{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: managerName}, deployment); err != nil {
		return nil, fmt.Errorf("read Deployment %s: %w", managerName, err)
	}
	for _, container := range deployment.Spec.Template.Spec.Containers {
		for _, arg := range container.Args {
			if value, set := strings.CutPrefix(arg, namespacesFlag); set {
				value = d.expand(ctx, value, container.Env)
				return slices.DeleteFunc(strings.Split(value, ","), func(name string) bool { return name == "" }), nil
			}
		}
	}
	return nil, nil
}

// expand replaces references to variables as a kubelet does, if their values can be
// read.
func (d *doctor) expand(ctx context.Context, value string, variables []corev1.EnvVar) string {
	for _, variable := range variables {
		text := variable.Value
		if variable.ValueFrom != nil && variable.ValueFrom.ConfigMapKeyRef != nil {
			source, configMap := variable.ValueFrom.ConfigMapKeyRef, &corev1.ConfigMap{}
			if d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: source.Name}, configMap) != nil {
				continue
			}
			text = configMap.Data[source.Key]
		}
		value = strings.ReplaceAll(value, "$("+variable.Name+")", text)
	}
	return value
}
