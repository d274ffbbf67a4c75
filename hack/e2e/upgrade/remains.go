// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Remains returns all objects in the cluster that Signet created, that belong to
// its installation or that carry its finalizer: of any kind, found by name, label,
// group and finalizer.
func (c *Cluster) Remains(ctx context.Context) ([]string, error) {
	names, err := c.Run(ctx, "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return nil, err
	}
	resources := slices.DeleteFunc(strings.Fields(names), func(name string) bool { return strings.HasPrefix(name, "events") })
	text, err := c.Run(ctx, "get", strings.Join(resources, ","), "-A", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []unstructured.Unstructured }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read what is there: %w", err)
	}
	if len(list.Items) < 10 {
		return nil, fmt.Errorf("%d objects are less than any cluster has", len(list.Items))
	}
	var found []string
	for i := range list.Items {
		if object := &list.Items[i]; belongsToSignet(object) {
			found = append(found, strings.ToLower(object.GetKind())+"/"+object.GetName())
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// belongsToSignet reports whether Signet created the object or is installed by it.
func belongsToSignet(object *unstructured.Unstructured) bool {
	if object.GetName() == Recorded && object.GetKind() == "Namespace" {
		return false
	}
	if object.GroupVersionKind().Group == "signet.dev" || strings.Contains(object.GetName(), "signet.dev") ||
		object.GetName() == "signet" || strings.HasPrefix(object.GetName(), "signet-") || strings.HasPrefix(object.GetName(), "signet:") {
		return true
	}
	for label, value := range object.GetLabels() {
		if strings.HasPrefix(label, "signet.dev/signature-") || strings.HasPrefix(label, "app.kubernetes.io/") && value == "signet" {
			return true
		}
	}
	return slices.ContainsFunc(object.GetFinalizers(), func(name string) bool { return strings.HasPrefix(name, "signet.dev/") })
}
