// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestVerifySaysWhatDiffers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*signature.Request)
		want   string
	}{
		"nothing":        {func(*signature.Request) {}, ""},
		"method":         {func(r *signature.Request) { r.Method = "PUT" }, "the method: POST was signed, not PUT"},
		"port":           {func(r *signature.Request) { r.Host += ":8080" }, "the host: a.example was signed, not a.example:8080"},
		"forwarded host": {func(r *signature.Request) { r.Host = "b"; r.Header.Set("X-Forwarded-Host", "a.example") }, "the host: a.example was signed"},
		"added prefix":   {func(r *signature.Request) { r.Target = "/api" + r.Target }, "path or query: /v1/items?a=1 was signed, not /api/v1/items?a=1"},
		"taken prefix": {func(r *signature.Request) { r.Target = "/items?a=1"; r.Header.Set("X-Forwarded-Prefix", "/v1") },
			"path or query: /v1/items?a=1 was signed, not /items?a=1"},
		"body":     {func(r *signature.Request) { r.Payload = signature.Digest([]byte("other")) }, "the body"},
		"too much": {func(r *signature.Request) { r.Method, r.Target = "PUT", "/x" }, "unknown: "},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := signature.NewKey(signature.Material{
				Type: signature.HMAC, KeyID: "v1", Key: signature.Bytes("orders_app"), Secret: signature.Bytes("0123456789abcdef"),
			})
			if err != nil {
				t.Fatal(err)
			}
			verifier, err := signature.NewVerifier(key, signature.VerifierOptions{Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			request := &signature.Request{
				Method: "POST", Target: "/v1/items?a=1", Host: "a.example", Header: http.Header{}, Payload: signature.Digest([]byte("body")),
			}
			headers, err := key.Sign(request, now)
			if err != nil {
				t.Fatal(err)
			}
			headers.Set(request.Header, "")
			test.change(request)
			got := view.Verify(verifier, "Authorization", nil, request)
			if got.Accepted != (test.want == "") || !strings.HasPrefix(got.Differs, test.want) {
				t.Errorf("got %+v, want %q", got, test.want)
			}
		})
	}
}

func TestMissingFields(t *testing.T) {
	crd := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"versions": []any{map[string]any{
		"name": "v1", "schema": map[string]any{"openAPIV3Schema": map[string]any{"properties": map[string]any{
			"spec": map[string]any{"properties": map[string]any{"a": map[string]any{}}},
		}}},
	}}}}}
	type spec struct {
		A string `json:"a"`
		B string `json:"b,omitempty"`
	}
	type object struct {
		Spec   spec `json:"spec"`
		Status spec `json:"status"`
		Other  spec `json:"other"`
	}
	if got := strings.Join(view.MissingFields(crd, "v1", object{}), " "); got != "spec.b status" {
		t.Errorf("got %q", got)
	}
	if got := view.MissingFields(crd, "v2", object{}); !slices.Equal(got, []string{"v2"}) {
		t.Errorf("got %q", got)
	}
}

func TestRotation(t *testing.T) {
	key := func(trigger, reason string, status metav1.ConditionStatus) *signetv1alpha1.SignatureKey {
		k := &signetv1alpha1.SignatureKey{}
		k.Status.KeyID, k.Status.ObservedTrigger = "new", trigger
		k.Status.Conditions = []metav1.Condition{{Type: "Rotating", Status: status, Reason: reason, Message: "why"}}
		return k
	}
	for name, test := range map[string]struct {
		key               *signetv1alpha1.SignatureKey
		rotated, replaced bool
		refused           string
	}{
		"settled":  {key("t", "Settled", metav1.ConditionFalse), true, true, ""},
		"not seen": {key("", "Settled", metav1.ConditionFalse), false, true, ""},
		"staged":   {key("t", "Staged", metav1.ConditionTrue), false, false, ""},
		"retiring": {key("t", "Retiring", metav1.ConditionTrue), false, false, ""},
		"nothing":  {key("", "NothingToRotate", metav1.ConditionFalse), false, true, "NothingToRotate: why"},
	} {
		if got := view.Rotated(test.key, "t"); got != test.rotated {
			t.Errorf("%s: rotated is %t", name, got)
		}
		if got := view.Replaced(test.key, "old"); got != test.replaced {
			t.Errorf("%s: replaced is %t", name, got)
		}
		if got := view.Refused(test.key); got != test.refused {
			t.Errorf("%s: refused is %q", name, got)
		}
	}
	if view.Replaced(key("t", "Settled", metav1.ConditionFalse), "new") {
		t.Error("the same version counts as replaced")
	}
}

func TestVerifyNamesBothKeys(t *testing.T) {
	key := func(keyType signature.Type, id, identifier string) *signature.Key {
		k, err := signature.NewKey(signature.Material{
			Type: keyType, KeyID: id, Key: signature.Bytes(identifier), Secret: signature.Bytes("0123456789abcdef"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	verifier, err := signature.NewVerifier(key(signature.HMAC, "v1", "orders_app"), signature.VerifierOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for keyType, want := range map[signature.Type]string{
		signature.HMAC:  "the key: SDK-HMAC-SHA256 Access=payments_app signed the request, but the ID of this key is orders_app",
		signature.Basic: "", // what it shows is secret
	} {
		request := &signature.Request{Method: "GET", Target: "/", Host: "a.example", Header: http.Header{}, Payload: signature.Digest(nil)}
		headers, err := key(keyType, "v2", "payments_app").Sign(request, now)
		if err != nil {
			t.Fatal(err)
		}
		headers.Set(request.Header, "")
		if got := view.Verify(verifier, "Authorization", []string{"orders_app"}, request); got.Accepted || got.Differs != want {
			t.Errorf("%s: got %+v, want %q", keyType, got, want)
		}
	}
}
