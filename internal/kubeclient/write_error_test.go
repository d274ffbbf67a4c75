// SPDX-License-Identifier: Apache-2.0

package kubeclient_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// answer is an error response of the API server.
func answer(code int32, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reasons[code], Message: message,
	}}
}

var reasons = map[int32]metav1.StatusReason{
	http.StatusConflict: metav1.StatusReasonConflict, http.StatusForbidden: metav1.StatusReasonForbidden,
}

func named(object client.Object) client.Object {
	object.SetNamespace("shop")
	object.SetName("orders")
	return object
}

const denied = `admission webhook "policy.example.com" denied the request: no`

// Codes are not conclusive: webhooks deny with any.
func TestReasonOfAFailedWrite(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a missing permission":              {answer(http.StatusForbidden, "secrets is forbidden"), "WriteRefused"},
		"an invalid object":                 {answer(http.StatusUnprocessableEntity, "invalid"), "WriteRefused"},
		"too many requests":                 {answer(http.StatusTooManyRequests, "later"), "WriteRefused"},
		"a webhook that denies with 400":    {answer(http.StatusBadRequest, denied), "WriteRefused"},
		"a webhook that denies with 409":    {answer(http.StatusConflict, denied), "WriteRefused"},
		"a webhook that denies with 500":    {answer(http.StatusInternalServerError, denied), "WriteRefused"},
		"a webhook that denies with 503":    {answer(http.StatusServiceUnavailable, strings.ToUpper(denied)), "WriteRefused"},
		"a webhook that does not answer":    {answer(http.StatusInternalServerError, "failed calling webhook"), "WriteFailed"},
		"an object that is too large":       {answer(http.StatusInternalServerError, "etcdserver: request is too large"), "WriteFailed"},
		"an API server that does not":       {errors.New("connection refused"), "WriteFailed"},
		"a request that takes too long":     {context.DeadlineExceeded, "WriteFailed"},
		"a process that no longer leads":    {kubeclient.ErrNotLeading, ""},
		"a process that ends":               {fmt.Errorf("patch: %w", context.Canceled), ""},
		"a refusal in another error's text": {fmt.Errorf("after a retry: %w", answer(http.StatusForbidden, "no")), "WriteRefused"},
	} {
		t.Run(name, func(t *testing.T) {
			err := kubeclient.FailedWrite(kubeclient.VerbCreate, c.err, named(&corev1.Secret{}))
			if !errors.Is(err, c.err) {
				t.Errorf("%v does not wrap %v", err, c.err)
			}
			got, failed := "", (*kubeclient.WriteError)(nil)
			if errors.As(err, &failed) {
				got = failed.Reason
			}
			if got != c.want {
				t.Errorf("reason %q, want %q", got, c.want)
			}
		})
	}
	if err := kubeclient.FailedWrite(kubeclient.VerbCreate, nil, named(&corev1.Secret{})); err != nil {
		t.Errorf("a write that succeeded has the error %v", err)
	}
}

func TestTextsOfAFailedWrite(t *testing.T) {
	quota := answer(http.StatusForbidden, `secrets "orders" is forbidden: exceeded quota: none`)
	for name, c := range map[string]struct {
		err            error
		text, message  string
		resource, verb string
	}{
		"a Secret": {
			kubeclient.FailedWrite(kubeclient.VerbCreate, quota, named(&corev1.Secret{})),
			`create Secret shop/orders: secrets "orders" is forbidden: exceeded quota: none`,
			`Secret "orders" cannot be written: the API server refuses it (secrets "orders" is forbidden: exceeded quota: none). ` +
				"Remove the cause, such as a quota, a policy or a missing permission. It is repeated within two minutes.",
			"secrets", "create",
		},
		"a status": {
			kubeclient.FailedStatusWrite(kubeclient.VerbPatch, errors.New("no\n\troute to host."), named(&signetv1alpha1.SignatureKey{})),
			"patch status of SignatureKey shop/orders: no route to host",
			`The status of SignatureKey "orders" cannot be written: the request fails (no route to host). ` +
				"Check the API server and its admission webhooks. It is repeated within two minutes.",
			"signaturekeys/status", "patch",
		},
		"a text with material": {
			kubeclient.FailedWrite(kubeclient.VerbPatch, answer(http.StatusForbidden, "denied: "+plantedSecret), secretWith("secret", plantedSecret)),
			"patch Secret shop/orders: the response is not shown because it contains material",
			`Secret "orders" cannot be written: the API server refuses it, with a text that is not shown because it contains material. ` +
				"Remove the cause, such as a quota, a policy or a missing permission. It is repeated within two minutes.",
			"secrets", "patch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := (*kubeclient.WriteError)(nil)
			if !errors.As(c.err, &failed) {
				t.Fatalf("%v is no WriteError", c.err)
			}
			if failed.Error() != c.text || failed.Message() != c.message {
				t.Errorf("text %q\nmessage %q", failed.Error(), failed.Message())
			}
			if failed.Resource != c.resource || string(failed.Verb) != c.verb {
				t.Errorf("%s %s", failed.Verb, failed.Resource)
			}
		})
	}
}

const plantedSecret = "planted \"secret\"\n0123456789-äöü"

func secretWith(name, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"},
		Data:       map[string][]byte{"type": []byte("HMAC"), name: []byte(value), "key": []byte("orders_identifier")},
	}
}

// A policy can quote the data of an object: of the one to be written, and of the one
// that it replaces.
func TestTextWithMaterialIsNotQuoted(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(plantedSecret))
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		text  string
		shown bool
	}{
		"no material":                {"exceeded quota", true},
		"the public identifier":      {"orders_identifier is denied", true},
		"raw":                        {"denied: " + plantedSecret, false},
		"raw, on one line":           {"denied: " + strings.Join(strings.Fields(plantedSecret), " "), false},
		"base64":                     {"denied: " + encoded, false},
		"base64 without padding":     {"denied: " + strings.TrimRight(encoded, "="), false},
		"base64 for URLs":            {"denied: " + base64.URLEncoding.EncodeToString([]byte(plantedSecret)), false},
		"quoted":                     {"denied: " + strconv.Quote(plantedSecret), false},
		"quoted in ASCII":            {"denied: " + strconv.QuoteToASCII(plantedSecret), false},
		"a part":                     {"denied: " + encoded[4:20], false},
		"after what is quoted":       {long + encoded, false},
		"a text that is not checked": {strings.Repeat("x", 100000), false},
	} {
		t.Run(name, func(t *testing.T) {
			with := secretWith("secret", plantedSecret)
			without := secretWith("secret", "another-value-that-is-long")
			for _, err := range []error{
				kubeclient.FailedWrite(kubeclient.VerbCreate, answer(http.StatusForbidden, c.text), with),
				kubeclient.FailedWrite(kubeclient.VerbPatch, answer(http.StatusForbidden, c.text), without, with),
			} {
				failed := (*kubeclient.WriteError)(nil)
				if !errors.As(err, &failed) {
					t.Fatalf("%v is no WriteError", err)
				}
				for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", fmt.Errorf("reconcile: %w", err)), failed.Message()} {
					if strings.Contains(text, "not shown") == c.shown {
						t.Errorf("%q", text)
					}
				}
			}
		})
	}
}

func TestQuotedTextIsCut(t *testing.T) {
	for length, want := range map[int]string{
		256: strings.Repeat("ä", 256),
		257: strings.Repeat("ä", 255) + "…",
	} {
		err := kubeclient.FailedWrite(kubeclient.VerbPatch, errors.New(strings.Repeat("ä", length)), named(&corev1.ConfigMap{}))
		if got := strings.TrimPrefix(err.Error(), "patch ConfigMap shop/orders: "); got != want {
			t.Errorf("%d characters became %q", length, got)
		}
	}
}

// A conflict resolves with a newer version, unless a webhook has answered with its code.
func TestIsStale(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a conflict":                 {answer(http.StatusConflict, "the object has been modified"), true},
		"a webhook's conflict":       {answer(http.StatusConflict, denied), false},
		"a missing permission":       {answer(http.StatusForbidden, "no"), false},
		"an error without an answer": {errors.New("cut off"), false},
		"no error":                   {nil, false},
	} {
		if got := kubeclient.IsStale(c.err); got != c.want {
			t.Errorf("%s: IsStale = %t", name, got)
		}
		if got := kubeclient.IsStale(kubeclient.FailedWrite(kubeclient.VerbPatch, c.err, named(&corev1.Secret{}))); got != c.want {
			t.Errorf("%s of a write: IsStale = %t", name, got)
		}
	}
}
