// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestUnsignedBodiesAreLeftToTheServer has clients wait for the consent to send a body,
// which the handler does not read.
func TestUnsignedBodiesAreLeftToTheServer(t *testing.T) {
	for _, kind := range []string{"HMAC", "Basic"} {
		t.Run(kind, func(t *testing.T) {
			key := mustKey(t, materials()[kind])
			verifier := mustVerifier(t, key, VerifierOptions{AllowUnsignedPayload: true})
			server := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusConflict)
			})))
			t.Cleanup(server.Close)
			described := &Request{Method: "POST", Target: "/v1/items", Host: "orders.internal", Header: http.Header{}, Payload: UnsignedPayload}
			headers, err := key.Sign(described, signedAt)
			if err != nil {
				t.Fatal(err)
			}
			sent := http.Header{"Expect": {"100-continue"}, "Content-Length": {"100"}}
			headers.Set(sent, "")
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			var head bytes.Buffer
			head.WriteString("POST /v1/items HTTP/1.1\r\nHost: orders.internal\r\n")
			_ = sent.Write(&head)
			head.WriteString("\r\n")
			if _, err := conn.Write(head.Bytes()); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusConflict {
				t.Error(response.Status)
			}
		})
	}
}
