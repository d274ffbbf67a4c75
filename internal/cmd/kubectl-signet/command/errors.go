// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// explainError returns the text of an error in one line, with what to do about
// usual ones.
func explainError(err error) string {
	var unreachable *url.Error
	switch {
	case apierrors.IsForbidden(err):
		return explainForbidden(err)
	case apierrors.IsUnauthorized(err):
		return "the API server rejected your credentials: the token or certificate in the kubeconfig is invalid or expired"
	case meta.IsNoMatchError(err):
		return err.Error() + ": this kind is not installed in the cluster, run `kubectl signet doctor` to see what is missing"
	case errors.As(err, &unreachable):
		return explainUnreachable(unreachable)
	default:
		return err.Error()
	}
}

func explainForbidden(err error) string {
	missing, ok := missingPermission(err)
	if !ok {
		return err.Error()
	}
	return missing.Summary() + ": " + permissionAdvice(missing.Permissions[0])
}

func explainUnreachable(unreachable *url.Error) string {
	server := unreachable.URL
	if address, err := url.Parse(server); err == nil && address.Host != "" {
		server = address.Scheme + "://" + address.Host
	}
	return fmt.Sprintf("the API server at %s cannot be reached: %v", server, unreachable.Err)
}

// missingPermission returns false if the API server refused for another reason,
// such as a policy.
func missingPermission(err error) (*kubeclient.MissingPermissionsError, bool) {
	var missing *kubeclient.MissingPermissionsError
	return missing, errors.As(err, &missing)
}

// permissionAdvice names a role with the permission. Signet adds its kinds to the
// roles of Kubernetes; those of the Gateway API are not in them.
func permissionAdvice(missing kubeclient.Permission) string {
	role, binding := "Role", "RoleBinding"
	if missing.Namespace == "" {
		role, binding = "ClusterRole", "ClusterRoleBinding"
	}
	may := strings.Join(missing.Verbs, ", ") + " " + schema.GroupResource{Group: missing.Group, Resource: missing.Resource}.String()
	switch missing.Group {
	case signetv1alpha1.GroupVersion.Group:
		return "ask for a " + binding + " to the ClusterRole view or edit, which cover Signet's kinds"
	case gwapiv1.GroupName:
		return fmt.Sprintf("ask for a %s that may %s, because view and edit do not cover the Gateway API", role, may)
	default:
		return fmt.Sprintf("ask for a %s that may %s", role, may)
	}
}

// oneLine returns the text of an error that is one note among others.
func oneLine(err error) string {
	if missing, ok := missingPermission(err); ok {
		return missing.Summary()
	}
	return err.Error()
}
