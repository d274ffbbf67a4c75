// SPDX-License-Identifier: Apache-2.0

package signaturebinding

import (
	"cmp"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/publication"
	"github.com/signet-dev/signet/internal/status"
)

// maxMessage is the limit of the schema for status.apis[].message, in characters.
const maxMessage = 128

// unpublishedAPI is an API whose route is not published.
type unpublishedAPI struct {
	// name as in messages: HTTPRoute "orders".
	name  string
	cause publication.Cause
}

// unpublishedMessage describes the APIs that were never published, those first for which
// a label is not the answer.
func (d *draft) unpublishedMessage() string {
	environment, attach := d.seen.binding.Spec.Environment, "Attach each"
	unread := 0
	for i := range d.unpublished {
		if d.unpublished[i].cause.Finding == publication.NotRead {
			unread++
			attach = "Attach the others"
		}
	}
	message := fmt.Sprintf("%d of %d APIs were never published in environment %q: %s. The key signs for them already.",
		len(d.unpublished), len(d.status.APIs), environment, enumerateCauses(d.unpublished))
	if unread == len(d.unpublished) {
		return message
	}
	return message + fmt.Sprintf(" %s to a Gateway that has the label %s: %s and accepts it.", attach, signetv1alpha1.LabelEnvironment, environment)
}

// enumerateCauses names the APIs with their causes, the most unusual first.
func enumerateCauses(apis []unpublishedAPI) string {
	sorted := slices.SortedStableFunc(slices.Values(apis), func(a, b unpublishedAPI) int {
		return cmp.Compare(b.cause.Finding, a.cause.Finding)
	})
	names := make([]string, 0, len(sorted))
	for _, api := range sorted {
		if why := causeMessage(api.cause); why != "" {
			api.name += " (" + why + ")"
		}
		names = append(names, api.name)
	}
	return status.Enumerate(names)
}

// causeMessage describes why a route is not published in a clause of at most maxMessage
// characters: what is not there, not read or not understood. It is empty if no Gateway of
// the environment has accepted the route.
func causeMessage(cause publication.Cause) string {
	switch cause.Finding {
	case publication.NotFound:
		return notFoundMessage(cause)
	case publication.NotUnderstood:
		if cause.Kind == publication.KindListenerSet {
			return "the parent of its ListenerSet is not understood; attach the ListenerSet to a Gateway"
		}
		return shorten(fmt.Sprintf("no Gateway accepts it, and its parent kind is not understood: %s", cause.Kind))
	case publication.NotRead:
		return shorten(notReadMessage(cause))
	case publication.Serving, publication.NotAccepted:
	}
	return ""
}

func notFoundMessage(cause publication.Cause) string {
	switch {
	case cause.Reason == publication.ReasonNotInstalled:
		return fmt.Sprintf("the cluster does not serve %s in version v1 of the Gateway API; install it", cause.Kind)
	case isParent(cause.Kind):
		return fmt.Sprintf("the route was accepted by a %s that does not exist", cause.Kind)
	default:
		return fmt.Sprintf("the %s does not exist", cause.Kind)
	}
}

func notReadMessage(cause publication.Cause) string {
	switch {
	case cause.Reason == publication.ReasonNotWatched && isParent(cause.Kind):
		return fmt.Sprintf("namespace %q is not read; add it to --gateway-namespaces", cause.Namespace)
	case cause.Reason == publication.ReasonNotWatched:
		return fmt.Sprintf("namespace %q is not read; add it to --namespaces", cause.Namespace)
	case cause.Reason == string(metav1.StatusReasonForbidden):
		return fmt.Sprintf("the manager may not read %ss in %q; grant list and watch", cause.Kind, cause.Namespace)
	case cause.Reason == "":
		return fmt.Sprintf("%ss in %q are not read yet", cause.Kind, cause.Namespace)
	default:
		return fmt.Sprintf("%ss in %q cannot be read now (%s)", cause.Kind, cause.Namespace, cause.Reason)
	}
}

// isParent reports whether objects of the kind are parents of routes.
func isParent(kind string) bool {
	return kind == publication.KindGateway || kind == publication.KindListenerSet
}

// shorten cuts a message that contains names of others after maxMessage characters.
func shorten(message string) string {
	if runes := []rune(message); len(runes) > maxMessage {
		return string(runes[:maxMessage-1]) + "…"
	}
	return message
}
