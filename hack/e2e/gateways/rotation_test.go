// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/hack/e2e/gateways"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	// rotations are made in a row, each with the stages below.
	rotations     = 20
	stageSeconds  = 2
	retireSeconds = 2
)

// refreshDelays are how long each backend takes to see a changed Secret: all
// shorter than the stage.
var refreshDelays = []time.Duration{0, 400 * time.Millisecond, 1200 * time.Millisecond}

// TestRotation rotates keys under load, through a real gateway with two signers
// and three backends: no request may be refused.
func TestRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	second := f.anotherSigner(t)
	for _, keyType := range []signetv1alpha1.KeyType{signetv1alpha1.KeyTypeHMAC, signetv1alpha1.KeyTypeBasic, signetv1alpha1.KeyTypePublicKey} {
		t.Run(string(keyType), func(t *testing.T) {
			t.Parallel()
			rotateUnderLoad(t, f, second, keyType)
		})
	}
}

// rotated is a key that is rotated, and what is before and behind it.
type rotated struct {
	name    string
	gateway string
	// seen are the versions that have signed, and when each was first seen.
	mu   sync.Mutex
	seen map[string]time.Time
	// sent and failed count the load.
	sent, failed atomic.Int64
}

func rotateUnderLoad(t *testing.T, f *fixture, second string, keyType signetv1alpha1.KeyType) {
	t.Helper()
	r := &rotated{name: "rotated-" + strings.ToLower(string(keyType)), seen: map[string]time.Time{}}
	key := gen.SignatureKey(r.name, gen.WithType(keyType))
	key.Spec.Rotation = &signetv1alpha1.Rotation{StageSeconds: ptr.To[int32](stageSeconds), RetireSeconds: ptr.To[int32](retireSeconds)}
	f.create(t, key, gen.SignatureBinding(r.name, r.name, listing("API/"+r.name)))
	f.waitFor(t, r.name, signetv1alpha1.ReasonBound)
	r.startGateway(t, f, second)
	proc.Eventually(t, "a signed request to be accepted", func() error {
		got, err := send(r.gateway, raw{method: "GET", target: "/orders", api: r.name})
		if err == nil && got.status != http.StatusOK {
			err = statusError(got)
		}
		return err
	})

	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() { r.load(ctx, t) })
	}
	var took []time.Duration
	for i := range rotations {
		took = append(took, r.rotate(t, f, fmt.Sprint(i)))
	}
	old := f.managed(t, r.name)
	r.rotate(t, f, "last")
	cancel()
	workers.Wait()
	slices.Sort(took)
	t.Logf("%s: %d requests in %d rotations, %d failed; from the switch to the first signature with the new version: p50 %s, most %s",
		keyType, r.sent.Load(), rotations+1, r.failed.Load(), took[len(took)/2].Round(100*time.Microsecond), took[len(took)-1].Round(100*time.Microsecond))
	if r.sent.Load() < 1000 || len(r.seen) < rotations+2 {
		t.Errorf("%d requests with %d versions: the load was no load", r.sent.Load(), len(r.seen))
	}
	r.retired(t, f, old)
}

// load sends requests until the context ends: over new connections, so that
// they go to any signer and any backend.
func (r *rotated) load(ctx context.Context, t *testing.T) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for ; ctx.Err() == nil; <-pace.C {
		got, err := send(r.gateway, raw{method: "POST", target: "/orders?a=1", body: []byte("body"), api: r.name})
		r.sent.Add(1)
		if err != nil || got.status != http.StatusOK || got.seen == nil {
			r.failed.Add(1)
			t.Errorf("during a rotation: %s, %v", got, err)
			continue
		}
		r.mu.Lock()
		if id := versionOf(got.seen.Header.Get("Authorization")); r.seen[id].IsZero() {
			r.seen[id] = time.Now()
		}
		r.mu.Unlock()
	}
}

// versionOf returns the part of a signature that identifies the version.
func versionOf(authorization string) string {
	if _, access, found := strings.Cut(authorization, "Access="); found {
		access, _, _ = strings.Cut(access, ",")
		return access
	}
	return authorization
}

// signsAs returns what versionOf returns for signatures of the active version in a
// managed Secret.
func signsAs(secret *corev1.Secret) string {
	switch string(secret.Data["type"]) {
	case string(signetv1alpha1.KeyTypeHMAC):
		return string(secret.Data["key"])
	case string(signetv1alpha1.KeyTypeBasic):
		return "Basic " + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%s", secret.Data["key"], secret.Data["secret"]))
	default:
		return string(secret.Data["key-id"])
	}
}

func (f *fixture) managed(tb testing.TB, name string) *corev1.Secret {
	tb.Helper()
	var secret corev1.Secret
	if err := f.Admin.Get(context.Background(), client.ObjectKey{Namespace: shop, Name: name}, &secret); err != nil {
		tb.Fatal(err)
	}
	return &secret
}

// rotate changes the trigger and waits until the old version has retired. It
// returns how long the new one took to its first accepted signature, after a
// watch had shown the switch in the Secret: less than nothing where the signer's
// own watch was faster.
func (r *rotated) rotate(t *testing.T, f *fixture, trigger string) time.Duration {
	t.Helper()
	before := string(f.managed(t, r.name).Data["key-id"])
	proc.Eventually(t, "the trigger to be written", func() error {
		var key signetv1alpha1.SignatureKey
		if err := f.Admin.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: r.name}, &key); err != nil {
			return err
		}
		key.Spec.Rotation.Trigger = trigger
		return f.Admin.Update(t.Context(), &key)
	})
	switched, signs := f.switchOf(t, r.name, before)
	proc.Eventually(t, "the retirement", func() error {
		if secret := f.managed(t, r.name); secret.Data["previous.key-id"] != nil {
			return errNotYet
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	first, there := r.seen[signs]
	if !there {
		t.Errorf("nothing was signed with version %s", signs)
	}
	return first.Sub(switched)
}

// switchOf watches the managed Secret until another version is active. It returns
// when that was, and what its signatures are known by.
func (f *fixture) switchOf(t *testing.T, name, before string) (time.Time, string) {
	t.Helper()
	events, err := f.Admin.Watch(t.Context(), &corev1.SecretList{}, client.InNamespace(shop), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	limit := time.After(proc.Soon)
	for {
		select {
		case event := <-events.ResultChan():
			if secret, ok := event.Object.(*corev1.Secret); ok && string(secret.Data["key-id"]) != before {
				return time.Now(), signsAs(secret)
			}
		case <-limit:
			t.Fatalf("version %s of %s is still active", before, name)
		}
	}
}

// retired wants a version that is dropped to be refused by all.
func (r *rotated) retired(t *testing.T, f *fixture, old *corev1.Secret) {
	t.Helper()
	forged := signWith(t, old, r.name)
	for i := range refreshDelays {
		backend := r.name + "-" + fmt.Sprint(i)
		proc.Eventually(t, "the old version to be refused", func() error {
			got, err := send(f.backend.address, raw{method: "GET", target: "/orders", api: backend, header: forged})
			if err != nil {
				return err
			}
			if got.seen == nil || got.seen.Library == http.StatusOK || got.seen.Endpoint == http.StatusOK {
				return statusError(got)
			}
			return nil
		})
	}
}

// anotherSigner starts a second replica of the signer and returns its address.
func (f *fixture) anotherSigner(tb testing.TB) string {
	tb.Helper()
	first, firstVerify, firstMetrics := f.signAddress, f.verifyAddress, f.metricsAddress
	f.startSigner(tb)
	second := f.signAddress
	f.signAddress, f.verifyAddress, f.metricsAddress = first, firstVerify, firstMetrics
	return second
}

// startGateway starts an nginx of the key's own, with the shown configuration,
// two signers and three backends.
func (r *rotated) startGateway(t *testing.T, f *fixture, second string) {
	t.Helper()
	program, err := gateways.Nginx()
	if err != nil {
		t.Fatal(err)
	}
	var servers []string
	for i, delay := range refreshDelays {
		api := r.name + "-" + fmt.Sprint(i)
		f.backend.accept(api, slot{path: "/verify/shop/RELEASE/API/" + r.name, keys: keySet(t, f, delay, r.name)})
		servers = append(servers, f.backend.replica(t, api))
	}
	dir := t.TempDir()
	r.gateway = proc.FreeAddress(t)
	write(t, filepath.Join(dir, "signed.conf"), f.shown(t, "nginx/signed.conf", map[string]string{
		"server signet-signer.signet-system.svc:8443;": "server " + f.signAddress + "; server " + second + ";",
		"server orders.shop.svc:8080;":                 "server " + strings.Join(servers, "; server ") + ";",
		"listen 8080":                                  "listen " + r.gateway,
		"/etc/nginx/signet":                            f.clientCertificate(shop),
		"/sign/shop/RELEASE/API/orders":                "/sign/shop/RELEASE/API/" + r.name,
	}))
	write(t, filepath.Join(dir, "nginx.conf"), gateways.NginxConf(dir, "signed.conf"))
	proc.Run(t, proc.Command{
		Program: program, Dir: dir, Log: filepath.Join(dir, "nginx.log"),
		Args: []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log")},
	})
}

// replica is another address of the backend, which uses the keys of one
// API for every request.
func (b *backend) replica(tb testing.TB, api string) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set(headerAPI, api)
		b.serve(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// signWith signs a request past the gateway with the active version of a managed
// Secret.
func signWith(t *testing.T, secret *corev1.Secret, api string) []string {
	t.Helper()
	key, err := signature.NewKey(signature.Material{
		Type: signature.Type(secret.Data["type"]), KeyID: string(secret.Data["key-id"]),
		Key: secret.Data["key"], Secret: secret.Data["secret"],
	})
	if err != nil {
		t.Fatal(err)
	}
	headers, err := key.Sign(&signature.Request{Method: "GET", Target: "/orders", Host: host, Payload: signature.UnsignedPayload}, time.Now())
	if err != nil {
		t.Fatalf("sign for %s: %v", api, err)
	}
	return []string{
		"Authorization: " + headers.Signature, "X-Sdk-Date: " + headers.Date, "X-Sdk-Content-Sha256: " + headers.Payload,
	}
}
