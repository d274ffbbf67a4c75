package command

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
	right := missingRight(err)
	if right == "" {
		return err.Error()
	}
	return right + ": ask for a RoleBinding to view or edit of Kubernetes, which have the rights on Signet's kinds"
}

func explainUnreachable(unreachable *url.Error) string {
	server := unreachable.URL
	if address, err := url.Parse(server); err == nil && address.Host != "" {
		server = address.Scheme + "://" + address.Host
	}
	return fmt.Sprintf("the API server at %s cannot be reached: %v", server, unreachable.Err)
}

// missingRight says which right is missing; empty if the API server refused for
// another reason, such as a policy.
func missingRight(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return ""
	}
	match := forbidden.FindStringSubmatch(status.Status().Message)
	if match == nil {
		return ""
	}
	user, verb, resource, group, namespace := match[1], match[2], match[3], match[4], match[5]
	if group != "" {
		resource += "." + group
	}
	if namespace == "" {
		return fmt.Sprintf("%s lacks the right to %s %s in the whole cluster", user, verb, resource)
	}
	return fmt.Sprintf("%s lacks the right to %s %s in namespace %s", user, verb, resource, namespace)
}

// oneLine is the error's text where it is one note among others.
func oneLine(err error) string {
	if right := missingRight(err); right != "" {
		return right
	}
	return err.Error()
}
