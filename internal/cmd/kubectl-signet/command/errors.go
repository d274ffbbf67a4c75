package command

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// forbidden is what the API server says of a missing right. Its error has the
// resource in its details, but neither verb nor namespace.
var forbidden = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)" (?:in the namespace "([^"]+)"|at the cluster scope)`)

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
	right, ok := missingRight(err)
	if !ok {
		return err.Error()
	}
	return right.String() + ": " + right.whatToAsk()
}

func explainUnreachable(unreachable *url.Error) string {
	server := unreachable.URL
	if address, err := url.Parse(server); err == nil && address.Host != "" {
		server = address.Scheme + "://" + address.Host
	}
	return fmt.Sprintf("the API server at %s cannot be reached: %v", server, unreachable.Err)
}

// right is one that the user lacks. Without a namespace it is for the whole
// cluster.
type right struct {
	user, verb, resource, group, namespace string
}

// missingRight is false if the API server refused for another reason, such as a
// policy.
func missingRight(err error) (right, bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return right{}, false
	}
	match := forbidden.FindStringSubmatch(status.Status().Message)
	if match == nil {
		return right{}, false
	}
	return right{user: match[1], verb: match[2], resource: match[3], group: match[4], namespace: match[5]}, true
}

func (r right) String() string {
	where := "the whole cluster"
	if r.namespace != "" {
		where = "namespace " + r.namespace
	}
	return fmt.Sprintf("%s lacks the right to %s %s in %s", r.user, r.verb, r.qualified(), where)
}

func (r right) qualified() string {
	if r.group == "" {
		return r.resource
	}
	return r.resource + "." + r.group
}

// whatToAsk says which role has the right. Signet adds its kinds to Kubernetes'
// roles, and nobody adds those of the Gateway API.
func (r right) whatToAsk() string {
	role, binding := "Role", "RoleBinding"
	if r.namespace == "" {
		role, binding = "ClusterRole", "ClusterRoleBinding"
	}
	switch r.group {
	case signetv1alpha1.GroupVersion.Group:
		return "ask for a " + binding + " to view or edit of Kubernetes, which have the rights on Signet's kinds"
	case gwapiv1.GroupName:
		return fmt.Sprintf("Kubernetes' view and edit do not cover the Gateway API, so ask for a %s that may %s %s", role, r.verb, r.qualified())
	default:
		return fmt.Sprintf("ask for a %s that may %s %s", role, r.verb, r.qualified())
	}
}

// oneLine is the error's text where it is one note among others.
func oneLine(err error) string {
	if right, ok := missingRight(err); ok {
		return right.String()
	}
	return err.Error()
}
