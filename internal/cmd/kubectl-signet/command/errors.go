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

// explainError is the error's text in one line, with what to do about the usual
// ones.
func explainError(err error) string {
	var unreachable *url.Error
	switch {
	case apierrors.IsForbidden(err):
		return explainForbidden(err)
	case apierrors.IsUnauthorized(err):
		return "the API server does not accept your credentials: the token or certificate in the kubeconfig is wrong, or has expired"
	case meta.IsNoMatchError(err):
		return err.Error() + ": this kind is not installed in the cluster, and `kubectl signet doctor` says what is missing"
	case errors.As(err, &unreachable):
		return explainUnreachable(unreachable)
	default:
		return err.Error()
	}
}

func explainForbidden(err error) string {
	missing, ok := missingRight(err)
	if !ok {
		return err.Error()
	}
	return missing.Summary() + ": " + whatToAsk(missing.Permissions[0])
}

func explainUnreachable(unreachable *url.Error) string {
	server := unreachable.URL
	if address, err := url.Parse(server); err == nil && address.Host != "" {
		server = address.Scheme + "://" + address.Host
	}
	return fmt.Sprintf("the API server at %s cannot be reached: %v", server, unreachable.Err)
}

// missingRight is false if the API server refused for another reason, such as a
// policy.
func missingRight(err error) (*kubeclient.MissingPermissionsError, bool) {
	var missing *kubeclient.MissingPermissionsError
	return missing, errors.As(err, &missing)
}

// whatToAsk says which role has the right. Signet adds its kinds to Kubernetes'
// roles, and nobody adds those of the Gateway API.
func whatToAsk(missing kubeclient.Permission) string {
	role, binding := "Role", "RoleBinding"
	if missing.Namespace == "" {
		role, binding = "ClusterRole", "ClusterRoleBinding"
	}
	may := strings.Join(missing.Verbs, ", ") + " " + schema.GroupResource{Group: missing.Group, Resource: missing.Resource}.String()
	switch missing.Group {
	case signetv1alpha1.GroupVersion.Group:
		return "ask for a " + binding + " to view or edit of Kubernetes, which have the rights on Signet's kinds"
	case gwapiv1.GroupName:
		return fmt.Sprintf("Kubernetes' view and edit do not cover the Gateway API, so ask for a %s that may %s", role, may)
	default:
		return fmt.Sprintf("ask for a %s that may %s", role, may)
	}
}

// oneLine is the error's text where it is one note among others.
func oneLine(err error) string {
	if missing, ok := missingRight(err); ok {
		return missing.Summary()
	}
	return err.Error()
}
