// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// testNginxLimits sends what is at the limits of nginx: uploads under the user's own
// limit, old clients, chunks of every size, and the errors of clients.
func testNginxLimits(t *testing.T, f *fixture) {
	const limit = 8 << 20
	plain, signed := startNginx(t, f, map[string]string{"location / {": "location / {\n    client_max_body_size 8m;"})
	f.create(t, gen.SignatureKey("orders"))
	f.create(t, gen.SignatureBinding("orders", "orders", listing("API/orders")),
		gen.SignatureBinding("orders-body", "orders", gen.WithPayload(signetv1alpha1.PayloadSigned), listing("API/orders-body")))
	f.waitFor(t, "orders", signetv1alpha1.ReasonBound)
	f.waitFor(t, "orders-body", signetv1alpha1.ReasonBound)
	f.backend.accept("plain", slot{path: "/verify/shop/RELEASE/API/orders", keys: keySet(t, f, 0, "orders")})
	f.backend.accept("signed", slot{path: "/verify/shop/RELEASE/API/orders-body", keys: keySet(t, f, 0, "orders"), signed: true})
	t.Cleanup(func() { f.forget(t) })
	proc.Eventually(t, "a signed request to be accepted", func() error {
		got, err := send(plain, raw{method: "GET", target: "/orders", api: "plain"})
		if err == nil && got.status != http.StatusOK {
			err = statusError(got)
		}
		return err
	})
	t.Run("uploads that are not signed", func(t *testing.T) {
		// The verify endpoint, which the backend also asks, has a limit of its own.
		checkStatuses(t, plain, "plain", uploads(map[int]int{1 << 20: 200, limit + 1: 413}, true))
		checkUploads(t, plain)
	})
	t.Run("uploads that are signed", func(t *testing.T) {
		checkStatuses(t, signed, "signed", uploads(map[int]int{1<<20 - 1: 200, 1 << 20: 200, 1<<20 + 1: 413, 4 << 20: 413, limit + 1: 413}, false))
		small := bytes.Repeat([]byte("x"), 300_000)
		for _, chunk := range []int{1, 2, 7, 100, 4000, 65_536, 300_000} {
			accepted(t, signed, raw{method: "POST", target: "/orders", api: "signed", body: small, chunked: true, chunk: chunk})
		}
	})
	t.Run("clients", func(t *testing.T) {
		for api, address := range map[string]string{"plain": plain, "signed": signed} {
			if got := accepted(t, address, raw{method: "GET", target: "/orders?a=1", api: api, old: true}); got.Host != host {
				t.Errorf("%s: HTTP/1.0 without Host reached the backend with %q", api, got.Host)
			}
			accepted(t, address, raw{method: "POST", target: "/orders", api: api, body: []byte("old"), old: true})
			for _, r := range []raw{
				{method: "GET", target: "/orders?a=%zz"}, {method: "GET", target: "/orders?a=%"}, {method: "GET", target: "/%zz"},
				{method: "GET", target: "*"}, {method: "OPTIONS", target: "*"}, {method: "get", target: "/"}, {method: "G@T", target: "/"},
				{method: "GET", target: "/orders", header: []string{"Host: two.example"}}, {method: "GET", target: "/orders", header: []string{"Content-Length: x"}},
				{method: "GET", target: "orders"}, {method: "POST", target: "/", header: []string{"Transfer-Encoding: gzip"}},
			} {
				r.api = api
				got, err := send(address, r)
				if err != nil || got.status < 400 || got.status > 499 && got.status != http.StatusNotImplemented {
					t.Errorf("%s: %s %s %v: %s, %v, want an error of the client", api, r.method, r.target, r.header, got, err)
				}
			}
		}
	})
}

// uploads are bodies of the sizes, with a length and in chunks, and their statuses.
func uploads(sizes map[int]int, lengthOnly bool) map[int][]raw {
	all := map[int][]raw{}
	for size, status := range sizes {
		body := bytes.Repeat([]byte("x"), size)
		all[status] = append(all[status], raw{method: "PUT", target: "/orders", body: body})
		if !lengthOnly {
			for _, chunk := range []int{4000, 65_536} {
				all[status] = append(all[status], raw{method: "PUT", target: "/orders", body: body, chunked: true, chunk: chunk})
			}
		}
	}
	return all
}

func checkStatuses(t *testing.T, address, api string, requests map[int][]raw) {
	t.Helper()
	for status, all := range requests {
		for _, r := range all {
			r.api = api
			got, err := send(address, r)
			if err != nil || got.status != status {
				t.Errorf("%s: %d bytes, chunks %t of %d: %.200s, %v, want %d", api, len(r.body), r.chunked, r.chunk, fmt.Sprint(got), err, status)
			}
		}
	}
}

// checkUploads has only the library verify: that is enough for a body that is not
// signed.
func checkUploads(t *testing.T, address string) {
	t.Helper()
	for _, size := range []int{1<<20 + 1, 4 << 20, 8 << 20} {
		for _, chunked := range []bool{false, true} {
			got, err := send(address, raw{method: "PUT", target: "/orders", api: "plain", body: bytes.Repeat([]byte("x"), size), chunked: chunked})
			if err != nil || got.seen == nil || got.seen.Library != http.StatusOK || got.seen.BodyLength != size {
				t.Errorf("%d bytes, chunked %t: %.300s, %v", size, chunked, fmt.Sprint(got), err)
			}
		}
	}
}
