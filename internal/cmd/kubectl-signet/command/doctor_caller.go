// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

// gatewayAPI reports which kinds of the Gateway API are installed. None is
// required.
func (d *doctor) gatewayAPI(context.Context) []view.Finding {
	const check = "Gateway API"
	var missing []string
	for _, kind := range []string{"Gateway", "HTTPRoute", "GRPCRoute"} {
		_, err := d.RESTMapper().RESTMapping(schema.GroupKind{Group: gwapiv1.GroupName, Kind: kind}, "v1")
		switch {
		case meta.IsNoMatchError(err):
			missing = append(missing, kind)
		case err != nil:
			return []view.Finding{failure(check, err, "")}
		}
	}
	if len(missing) == 0 {
		return []view.Finding{fine(check, "Gateway, HTTPRoute and GRPCRoute are installed")}
	}
	return []view.Finding{{
		Check: check, Result: view.Warning, Message: "not installed: " + strings.Join(missing, ", "),
		Action: "install the CRDs of the Gateway API, or bind only APIs of kind API",
	}}
}

// permissions reports what the user is not allowed to do with Signet's kinds in
// the namespace.
func (d *doctor) permissions(ctx context.Context) []view.Finding {
	check := "your permissions in namespace " + d.namespace
	missing := map[string][]string{}
	for _, resource := range []string{"signaturekeys", "signaturebindings"} {
		for _, verb := range []string{"get", "list", "create", "patch", "delete"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: d.namespace, Verb: verb, Group: signetv1alpha1.GroupVersion.Group, Resource: resource,
				},
			}}
			if err := d.Create(ctx, review); err != nil {
				return []view.Finding{failure(check, err, "")}
			}
			if !review.Status.Allowed {
				missing[resource] = append(missing[resource], verb)
			}
		}
	}
	if len(missing) == 0 {
		return []view.Finding{fine(check, "keys and bindings can be read and written")}
	}
	return []view.Finding{found(check, view.Warning, "you are not allowed to "+listMissing(missing),
		"ask for a RoleBinding to the ClusterRole edit, or view for read access")}
}

// listMissing lists the verbs of each resource, once if they are the same.
func listMissing(missing map[string][]string) string {
	keys, bindings := strings.Join(missing["signaturekeys"], ", "), strings.Join(missing["signaturebindings"], ", ")
	switch {
	case keys == bindings:
		return keys + " signaturekeys and signaturebindings"
	case bindings == "":
		return keys + " signaturekeys"
	case keys == "":
		return bindings + " signaturebindings"
	default:
		return keys + " signaturekeys, nor " + bindings + " signaturebindings"
	}
}
