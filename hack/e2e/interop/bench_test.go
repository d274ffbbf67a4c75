// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/signet-dev/signet/api/signature"
)

// BenchmarkSign signs the same requests with the Go SDK and with api/signature,
// the digest of the body included. Both are given what their callers have: the
// SDK a path and a query that are decoded, we the target as it is on the wire.
func BenchmarkSign(b *testing.B) {
	const access, secret = "accessaccessaccess", "secretsecretsecretsecretsecret"
	date := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	key, err := signature.NewKey(signature.Material{Type: signature.HMAC, Key: signature.Bytes(access), Secret: signature.Bytes(secret)})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{0, 1 << 10, 64 << 10} {
		body := strings.Repeat("x", size)
		b.Run(fmt.Sprintf("SDK/body=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				built := request.NewHttpRequestBuilder().WithEndpoint("https://orders.internal").WithPath("/v1/orders/a b").WithMethod("POST").
					AddHeaderParam("host", "orders.internal").AddHeaderParam("X-Sdk-Date", date.Format(signature.DateLayout)).
					AddHeaderParam("X-Tenant", "a").WithBody("", body).
					AddQueryParam("limit", reflect.ValueOf([]string{"10"})).AddQueryParam("marker", reflect.ValueOf([]string{"abc"})).Build()
				if _, err := signer.Sign(built, access, secret); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Signet/body=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := key.Sign(&signature.Request{
					Method: "POST", Target: "/v1/orders/a%20b?limit=10&marker=abc", Host: "orders.internal",
					Header: http.Header{"X-Tenant": {"a"}}, SignedHeaders: []string{"x-tenant"}, Payload: signature.Digest([]byte(body)),
				}, date)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
