// SPDX-License-Identifier: Apache-2.0

package kubeclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/material"
)

// Verb is what a write does, in the words of RBAC.
type Verb string

// The verbs of a controller's writes.
const (
	VerbCreate Verb = "create"
	VerbPatch  Verb = "patch"
	VerbUpdate Verb = "update"
)

// WriteError is a write that has failed. Its text, and that of each error that wraps
// it, contains the API server's only if that has no material: admission policies may
// quote the data of an object. Do not print what it wraps.
type WriteError struct {
	Verb Verb
	// Resource is that of the object, with the subresource, as in secrets or
	// signaturekeys/status.
	Resource string
	// Reason is WriteRefused or WriteFailed.
	Reason string
	// Object is the kind and the namespaced name.
	Object string

	described, text string
	err             error
}

// Error returns the write and the API server's text, unless that contains material.
func (e *WriteError) Error() string {
	text := e.text
	if text == "" {
		text = "the response is not shown because it contains material"
	}
	return fmt.Sprintf("%s %s: %s", e.Verb, e.Object, text)
}

// Unwrap returns the client's error.
func (e *WriteError) Unwrap() error { return e.err }

// Message returns the message of a condition or Event: the state, then what to do.
func (e *WriteError) Message() string {
	state, action := "the API server refuses it", "Remove the cause, such as a quota, a policy or a missing permission."
	if e.Reason == signetv1alpha1.ReasonWriteFailed {
		state, action = "the request fails", "Check the API server and its admission webhooks."
	}
	if IsStale(e) {
		action = "Check whether another client keeps changing it, and whether the watches of the API server work."
	}
	if e.text == "" {
		state += ", with a text that is not shown because it contains material"
	} else {
		state += " (" + e.text + ")"
	}
	return fmt.Sprintf("%s cannot be written: %s. %s It is repeated within two minutes.", e.described, state, action)
}

// FailedWrite returns the error of a write of an object, and nil for nil. It returns a
// WriteError, except for a write that this process has not sent, or whose context has
// ended. The object is as it was to be written. If it is a Secret, its data and that
// of its other versions must not appear in the text.
func FailedWrite(verb Verb, err error, object client.Object, others ...client.Object) error {
	return newWriteError(verb, err, "", object, others...)
}

// FailedStatusWrite is FailedWrite for the status of an object.
func FailedStatusWrite(verb Verb, err error, object client.Object) error {
	return newWriteError(verb, err, "status", object)
}

func newWriteError(verb Verb, err error, subresource string, object client.Object, others ...client.Object) error {
	kind, resource := kindOf(object)
	what := fmt.Sprintf("%s %s", kind, client.ObjectKeyFromObject(object))
	described := fmt.Sprintf("%s %q", kind, object.GetName())
	if subresource != "" {
		what, described, resource = subresource+" of "+what, "The "+subresource+" of "+described, resource+"/"+subresource
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrNotLeading) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", verb, what, err)
	}
	var secrets []material.Bytes
	for _, version := range append(others, object) {
		if secret, ok := version.(*corev1.Secret); ok {
			secrets = append(secrets, material.SecretValues(secret.Data)...)
		}
	}
	return &WriteError{
		Verb: verb, Resource: resource, Reason: refusalReason(err), Object: what,
		described: described, text: quotable(err.Error(), secrets), err: err,
	}
}

// kindOf returns kind and resource of an object that controllers write: closed sets.
func kindOf(object client.Object) (kind, resource string) {
	switch object.(type) {
	case *corev1.Secret:
		return "Secret", "secrets"
	case *corev1.ConfigMap:
		return "ConfigMap", "configmaps"
	case *signetv1alpha1.SignatureKey:
		return "SignatureKey", "signaturekeys"
	case *signetv1alpha1.SignatureBinding:
		return "SignatureBinding", "signaturebindings"
	default:
		return "object", "other"
	}
}

// refusalReason reports whether the API server has refused the write, or failed.
// Codes are not conclusive: webhooks deny with any.
func refusalReason(err error) string {
	if status := apierrors.APIStatus(nil); errors.As(err, &status) {
		if code := status.Status().Code; code >= http.StatusBadRequest && code < http.StatusInternalServerError {
			return signetv1alpha1.ReasonWriteRefused
		}
	}
	if isDenied(err) {
		return signetv1alpha1.ReasonWriteRefused
	}
	return signetv1alpha1.ReasonWriteFailed
}

// isDenied reports whether the text of an error has the word that the API server uses
// for what admission refuses.
func isDenied(err error) bool { return strings.Contains(strings.ToLower(err.Error()), "denied") }

// IsStale reports whether a write has failed because it was based on an outdated
// version. A webhook may refuse with the same code: that does not resolve with
// another version.
func IsStale(err error) bool {
	write := (*WriteError)(nil)
	if errors.As(err, &write) {
		err = write.err
	}
	return apierrors.IsConflict(err) && !isDenied(err)
}
