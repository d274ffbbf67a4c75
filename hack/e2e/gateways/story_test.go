// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// gateway is one that runs, with the shown configuration.
type gateway struct {
	// plain is the address of the API whose bodies are not signed, signed that
	// of the other; empty where there is none.
	plain, signed string
	// plainAPI and signedAPI are their slots: kind and name.
	plainAPI, signedAPI string
	// exact is true if targets are forwarded byte for byte.
	exact bool
	// repeated is the status for a request with two Authorization headers. Zero if
	// both are replaced.
	repeated int
}

// story sends requests through the gateway, in every state of key and binding.
func story(t *testing.T, f *fixture, g gateway) {
	t.Helper()
	f.create(t, gen.SignatureKey("orders"))
	if g.plain != "" {
		f.create(t, gen.SignatureBinding("orders", "orders", listing(g.plainAPI)))
		f.waitFor(t, "orders", signetv1alpha1.ReasonBound)
		f.backend.accept("plain", slot{path: "/verify/shop/RELEASE/" + g.plainAPI, keys: keySet(t, f, 0, "orders")})
	}
	if g.signed != "" {
		f.create(t, gen.SignatureBinding("orders-body", "orders", gen.WithPayload(signetv1alpha1.PayloadSigned), listing(g.signedAPI)))
		f.waitFor(t, "orders-body", signetv1alpha1.ReasonBound)
		f.backend.accept("signed", slot{path: "/verify/shop/RELEASE/" + g.signedAPI, keys: keySet(t, f, 0, "orders"), signed: true})
	}
	t.Cleanup(func() { f.forget(t) })
	address, api := g.plain, "plain"
	if address == "" {
		address, api = g.signed, "signed"
	}
	proc.Eventually(t, "a signed request to be accepted", func() error {
		got, err := send(address, raw{method: "GET", target: "/orders", api: api})
		if err == nil && got.status != http.StatusOK {
			err = statusError(got)
		}
		return err
	})
	t.Run("past the gateway", func(t *testing.T) {
		refused(t, f, f.backend.address, raw{method: "GET", target: "/orders", api: api}, true)
		refused(t, f, f.backend.address, raw{method: "GET", target: "/orders", api: api, header: forged}, true)
	})
	t.Run("targets", func(t *testing.T) { targets(t, address, api, g.exact) })
	t.Run("client headers", func(t *testing.T) { clientHeaders(t, address, api, g.repeated) })
	if g.signed != "" {
		t.Run("bodies", func(t *testing.T) { bodies(t, f, g.signed) })
	}
	t.Run("refusals", func(t *testing.T) { refusals(t, f, address, api, g) })
	t.Run("moved under load", func(t *testing.T) { moved(t, f, address, api, g) })
	t.Run("signer down", func(t *testing.T) {
		if err := f.signer.Stop(); err != nil {
			t.Fatal(err)
		}
		refused(t, f, address, raw{method: "GET", target: "/orders", api: api}, false)
		f.restartSigner(t)
		proc.Eventually(t, "signing to go on", func() error {
			got, err := send(address, raw{method: "GET", target: "/orders", api: api})
			if err == nil && got.status != http.StatusOK {
				err = statusError(got)
			}
			return err
		})
	})
}

var (
	errLeft   = errors.New("there are keys or Secrets left")
	errNotYet = errors.New("not yet")
)

type statusError answer

func (e statusError) Error() string { return answer(e).String() }

var forged = []string{
	"Authorization: SDK-HMAC-SHA256 Access=orders, SignedHeaders=host;x-sdk-date, Signature=" + strings.Repeat("0", 64),
	"X-Sdk-Date: 20260101T000000Z",
	"X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD",
}

// refused expects that a request is refused: by the backend, or before it reaches
// the backend.
func refused(t *testing.T, f *fixture, address string, r raw, byBackend bool) {
	t.Helper()
	before := f.backend.count()
	got, err := send(address, r)
	if err != nil {
		t.Fatal(err)
	}
	if got.status < 400 {
		t.Errorf("answered %s, want a refusal", got)
	}
	if called := f.backend.count() > before; called != byBackend {
		t.Errorf("the backend was called: %t, want %t: %s", called, byBackend, got)
	}
	for _, name := range []string{"Authorization", "X-Sdk-Date", "X-Sdk-Content-Sha256"} {
		if got.header.Get(name) != "" {
			t.Errorf("the refusal has the header %s", name)
		}
	}
}

// accepted wants both verifications to accept a request.
func accepted(t *testing.T, address string, r raw) *seen {
	t.Helper()
	got, err := send(address, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.target, err)
	}
	if got.status != http.StatusOK || got.seen == nil {
		t.Fatalf("%s %s: answered %.500s", r.method, r.target, got)
	}
	return got.seen
}

func targets(t *testing.T, address, api string, exact bool) {
	for _, target := range []string{
		"/", "/orders", "/orders/", "/orders/1?b=2&a=1", "/a%2Fb", "/a%20b", "/a+b?c+d=e+f", "/%41?q=%41&q=%2f",
		"/c%C3%A9?q=c%C3%A9&%E4%B8%9C=1", "/orders?", "/orders?a=1&a=2&b", "/orders?a=&b==1", "/~a-b_c.d", "/a%2525", "/a;b,c=d@e!f$g&h'i(j)*",
		"/%c3%a9", "/orders?x=%20y&x=+y", "/a:b",
	} {
		got := accepted(t, address, raw{method: "GET", target: target, api: api})
		if exact && got.Target != target {
			t.Errorf("%s reached the backend as %s", target, got.Target)
		}
	}
	for _, method := range []string{"HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		if method == "HEAD" {
			if got, err := send(address, raw{method: method, target: "/orders", api: api}); err != nil || got.status != http.StatusOK {
				t.Errorf("HEAD: %s, %v", got, err)
			}
			continue
		}
		if got := accepted(t, address, raw{method: method, target: "/orders", api: api, body: nil}); got.Method != method {
			t.Errorf("%s reached the backend as %s", method, got.Method)
		}
	}
}

// clientHeaders has the client send what is not its business.
func clientHeaders(t *testing.T, address, api string, repeated int) {
	for name, header := range map[string][]string{
		"signature":           forged,
		"odd case":            {"aUTHORIZATION: Basic YTpi", "x-SDK-date: 20260101T000000Z", "x-sdk-CONTENT-sha256: 00"},
		"hop by hop":          {"Connection: Authorization, X-Sdk-Date, X-Sdk-Content-Sha256"},
		"forwarding":          {"X-Forwarded-Uri: /evil", "X-Forwarded-Method: DELETE", "X-Forwarded-Host: evil.example"},
		"forwarding, twice":   {"X-Forwarded-Uri: /evil", "X-Forwarded-Uri: /worse"},
		"empty":               {"Authorization:", "X-Sdk-Date:", "X-Sdk-Content-Sha256:"},
		"other slot by query": {},
	} {
		target := "/orders?a=1"
		if name == "other slot by query" {
			target = "/orders?/sign/other/RELEASE/API/other-tenant"
		}
		got := accepted(t, address, raw{method: "GET", target: target, api: api, header: header})
		for _, name := range []string{"Authorization", "X-Sdk-Date", "X-Sdk-Content-Sha256"} {
			if len(got.Header.Values(name)) != 1 {
				t.Errorf("%s: the backend has got %s %d times", name, name, len(got.Header.Values(name)))
			}
		}
		for _, values := range got.Header {
			if slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, "evil") || strings.Contains(value, "worse") }) {
				t.Errorf("%s: the backend has got %v", name, got.Header)
			}
		}
	}
	twice := raw{method: "GET", target: "/orders", api: api, header: []string{"Authorization: Basic YTpi", "Authorization: Basic Yzpk"}}
	if repeated == 0 {
		accepted(t, address, twice)
	} else if got, err := send(address, twice); err != nil || got.status != repeated {
		t.Errorf("Authorization twice: %s, %v, want %d", got, err, repeated)
	}
}

func bodies(t *testing.T, f *fixture, address string) {
	large := make([]byte, 1<<20)
	_, _ = rand.Read(large)
	for name, r := range map[string]raw{
		"none":           {method: "POST"},
		"empty":          {method: "POST", body: []byte{}},
		"text":           {method: "POST", body: []byte(`{"a": 1}`), header: []string{"Content-Type: application/json"}},
		"binary":         {method: "PUT", body: large[:1000]},
		"1 MiB":          {method: "PUT", body: large},
		"chunked":        {method: "POST", body: large[:100_000], chunked: true},
		"with DELETE":    {method: "DELETE", body: []byte("why not")},
		"like a pattern": {method: "POST", body: []byte("{http.request.host} $host {{.}} ${x}")},
	} {
		r.target, r.api = "/orders?a=1", "signed"
		got := accepted(t, address, r)
		sum := sha256.Sum256(r.body)
		if got.BodyDigest != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: %d bytes have become %d others", name, len(r.body), got.BodyLength)
		}
		if signed := got.Header.Get("X-Sdk-Content-Sha256"); signed != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the digest that was signed is %s", name, signed)
		}
	}
	refused(t, f, address, raw{method: "PUT", target: "/orders", api: "signed", body: bytes.Repeat([]byte("x"), 1<<20+1)}, false)
}

// refusals are requests that cannot be signed.
func refusals(t *testing.T, f *fixture, address, api string, g gateway) {
	request := raw{method: "GET", target: "/orders", api: api}
	name, slotOf := "orders", g.plainAPI
	if api == "signed" {
		name, slotOf = "orders-body", g.signedAPI
	}
	back := func() {
		t.Helper()
		proc.Eventually(t, "the API to be signed again", func() error {
			got, err := send(address, request)
			if err == nil && got.status != http.StatusOK {
				err = statusError(got)
			}
			return err
		})
	}
	gone := func(what string) {
		t.Helper()
		proc.Eventually(t, what+": the refusal", func() error {
			got, err := send(address, request)
			if err == nil && got.status == http.StatusOK {
				err = statusError(got)
			}
			return err
		})
		refused(t, f, address, request, false)
	}
	// A binding that signs differently is Conflicted and signs nothing.
	f.create(t, gen.SignatureKey("rival"), gen.SignatureBinding("rival", "rival", listing(slotOf)))
	f.waitFor(t, "rival", signetv1alpha1.ReasonConflicted)
	accepted(t, address, request)

	// Not bound at all.
	for _, binding := range []string{"rival", name} {
		f.remove(t, &signetv1alpha1.SignatureBinding{}, binding)
	}
	gone("not bound")
	payload := signetv1alpha1.Payload("")
	if api == "signed" {
		payload = signetv1alpha1.PayloadSigned
	}
	f.create(t, gen.SignatureBinding(name, "orders", gen.WithPayload(payload), listing(slotOf)))
	f.waitFor(t, name, signetv1alpha1.ReasonBound)
	back()

	restore := loseMaterial(t, f)
	gone("key lost")
	restore()
	back()
}

// loseMaterial damages the managed Secret. What it returns restores the Secret from
// a backup.
func loseMaterial(t *testing.T, f *fixture) (restore func()) {
	t.Helper()
	write := func(change func(*corev1.Secret)) {
		t.Helper()
		var secret corev1.Secret
		if err := f.Admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: "orders"}, &secret); err != nil {
			t.Fatal(err)
		}
		change(&secret)
		if err := f.Admin.Update(t.Context(), &secret); err != nil {
			t.Fatal(err)
		}
	}
	var backup []byte
	write(func(secret *corev1.Secret) { backup, secret.Data["secret"] = secret.Data["secret"], []byte("-") })
	return func() {
		t.Helper()
		write(func(secret *corev1.Secret) { secret.Data["secret"] = backup })
	}
}

// moved has the binding change its key while requests go on: none may fail.
func moved(t *testing.T, f *fixture, address, api string, g gateway) {
	f.create(t, gen.SignatureKey("second"))
	name, path := "orders", g.plainAPI
	if api == "signed" {
		name, path = "orders-body", g.signedAPI
	}
	// The backend mounts both before the move.
	f.backend.accept(api, slot{path: "/verify/shop/RELEASE/" + path, keys: keySet(t, f, 0, "orders", "second"), signed: api == "signed"})
	ctx, cancel := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for ctx.Err() == nil {
				got, err := send(address, raw{method: "POST", target: "/orders?a=1", body: []byte("body"), api: api})
				if sent.Add(1); err != nil || got.status != http.StatusOK {
					failed.Add(1)
					t.Errorf("during the move: %s, %v", got, err)
				}
			}
		})
	}
	signedBy := func(key string) func() error {
		var found signetv1alpha1.SignatureKey
		if err := f.Admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: key}, &found); err != nil {
			t.Fatal(err)
		}
		return func() error {
			got, err := send(address, raw{method: "GET", target: "/orders", api: api})
			if err == nil && (got.seen == nil || !strings.Contains(got.seen.Header.Get("Authorization"), "Access="+found.Status.Identifier+",")) {
				err = statusError(got)
			}
			return err
		}
	}
	for _, key := range []string{"second", "orders", "second"} {
		var binding signetv1alpha1.SignatureBinding
		proc.Eventually(t, "the move to be written", func() error {
			if err := f.Admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: name}, &binding); err != nil {
				return err
			}
			binding.Spec.KeyRef.Name = key
			return f.Admin.Update(t.Context(), &binding)
		})
		proc.Eventually(t, "key "+key+" to sign", signedBy(key))
		signed := sent.Load()
		proc.Eventually(t, "more requests with key "+key, func() error {
			if sent.Load() < signed+100 {
				return errNotYet
			}
			return nil
		})
	}
	cancel()
	workers.Wait()
	t.Logf("%d requests during three moves, %d failed", sent.Load(), failed.Load())
}

func (f *fixture) remove(tb testing.TB, object client.Object, name string) {
	tb.Helper()
	object.SetNamespace(shop)
	object.SetName(name)
	if err := client.IgnoreNotFound(f.Admin.Delete(context.Background(), object)); err != nil {
		tb.Fatal(err)
	}
}

// managed selects the Secrets that Signet has made.
var managed = client.HasLabels{signetv1alpha1.LabelKey}

// forget takes away what a story has made, for the next one.
func (f *fixture) forget(tb testing.TB) {
	tb.Helper()
	ctx := context.Background()
	for _, object := range []client.Object{&signetv1alpha1.SignatureBinding{}, &signetv1alpha1.SignatureKey{}, &corev1.Secret{}} {
		options := []client.DeleteAllOfOption{client.InNamespace(shop)}
		if _, secret := object.(*corev1.Secret); secret {
			options = append(options, managed)
		}
		if err := f.Admin.DeleteAllOf(ctx, object, options...); err != nil {
			tb.Fatal(err)
		}
	}
	proc.Eventually(tb, "the shop to be empty", func() error {
		var keys signetv1alpha1.SignatureKeyList
		var secrets corev1.SecretList
		if err := f.Admin.List(ctx, &keys, client.InNamespace(shop)); err != nil {
			return err
		}
		if err := f.Admin.List(ctx, &secrets, client.InNamespace(shop), managed); err != nil {
			return err
		}
		if len(keys.Items)+len(secrets.Items) > 0 {
			return errLeft
		}
		return nil
	})
}
