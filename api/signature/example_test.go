// SPDX-License-Identifier: Apache-2.0

package signature_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

func exampleKey() *signature.Key {
	key, err := signature.NewKey(signature.Material{
		Type: signature.HMAC, Key: signature.Bytes("orders_app"), Secret: signature.Bytes("0123456789abcdef"),
	})
	if err != nil {
		log.Fatal(err)
	}
	return key
}

func get(client *http.Client, url string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %s\n", response.StatusCode, text)
}

// A backend that serves only signed requests.
func ExampleVerifier_Handler() {
	verifier, err := signature.NewVerifier(exampleKey(), signature.VerifierOptions{
		OnRefusal: func(_ *http.Request, err error) { fmt.Println("refused:", err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	orders := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") })
	server := httptest.NewServer(verifier.Handler(orders))
	defer server.Close()

	get(&http.Client{Transport: &signature.Transport{Keys: exampleKey()}}, server.URL)
	get(http.DefaultClient, server.URL)
	// Output:
	// 200 orders
	// refused: no signature: Authorization
	// 401 invalid request signature
}

// A client that signs its requests.
func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get(signature.HeaderDate), " ", r.Header.Get(signature.HeaderPayload)[:8]) //nolint:gosec // not read by a browser
	}))
	defer server.Close()
	client := &http.Client{Transport: &signature.Transport{
		Keys:          exampleKey(),
		SignedHeaders: []string{"content-type"},
		Now:           func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}}
	get(client, server.URL)
	// Output:
	// 200 20260102T030405Z e3b0c442
}

// A backend that follows the Secret that Signet writes, across rotations.
func ExampleKeySet() {
	mounted, err := os.MkdirTemp("", "keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(mounted) //nolint:errcheck // Only an example.
	for name, content := range map[string]string{"type": "HMAC", "key-id": "1a2b", "key": "orders_app", "secret": "0123456789abcdef"} {
		if err := os.WriteFile(filepath.Join(mounted, name), []byte(content), 0o600); err != nil {
			log.Fatal(err)
		}
	}

	keys, err := signature.NewKeySet([]string{mounted}, signature.KeySetOptions{
		OnError: func(directory string, err error) { log.Printf("keys in %s: %v", directory, err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go keys.Run(ctx) //nolint:errcheck // It ends with the context.

	verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{AllowUnsignedPayload: true})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders") })))
	defer server.Close()
	get(&http.Client{Transport: &signature.Transport{Keys: keys, UnsignedPayload: true}}, server.URL)
	// Output:
	// 200 orders
}

// A gateway's signer that returns the three headers for a request.
func ExampleKey_Sign() {
	headers, err := exampleKey().Sign(&signature.Request{
		Method: "GET", Target: "/orders?limit=10", Host: "orders.internal", Payload: signature.UnsignedPayload,
	}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(headers.Signature[:92])
	fmt.Println(headers.Date)
	fmt.Println(headers.Payload)
	// Output:
	// SDK-HMAC-SHA256 Access=orders_app, SignedHeaders=host;x-sdk-content-sha256;x-sdk-date, Signa
	// 20260102T030405Z
	// UNSIGNED-PAYLOAD
}
