// SPDX-License-Identifier: Apache-2.0

package gateways_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// host is the name that the gateways serve in the shown configurations.
const host = "orders.example.com"

// raw is a request whose bytes are sent as they stand, so that no client
// library fixes what a gateway has to cope with.
type raw struct {
	method, target string
	header         []string
	body           []byte
	chunked        bool
	// chunk is the size of chunks. Defaults to 4000.
	chunk int
	// old is set for HTTP/1.0 without Host.
	old bool
	// api selects the keys of the backend.
	api string
}

func (r raw) bytes() []byte {
	var b bytes.Buffer
	if r.old {
		fmt.Fprintf(&b, "%s %s HTTP/1.0\r\n%s: %s\r\n", r.method, r.target, headerAPI, r.api)
	} else {
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n", r.method, r.target, host, headerAPI, r.api)
	}
	for _, line := range r.header {
		b.WriteString(line + "\r\n")
	}
	switch {
	case r.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for rest := r.body; len(rest) > 0; {
			part := rest[:min(len(rest), cmp.Or(r.chunk, 4000))]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
			rest = rest[len(part):]
		}
		b.WriteString("0\r\n\r\n")
	case r.body != nil:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(r.body))
		b.Write(r.body)
	default:
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// answer is the response, and what the backend received if it was called.
type answer struct {
	status int
	header http.Header
	body   string
	seen   *seen
}

func (a answer) String() string {
	return fmt.Sprintf("%d %s", a.status, strings.TrimSpace(a.body))
}

// send sends a request over a connection of its own.
func send(address string, r raw) (answer, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second) //nolint:noctx // the timeout bounds it
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return answer{}, err
	}
	go func() { _, _ = conn.Write(r.bytes()) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer's body: %w", err)
	}
	got := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	var s seen
	if json.Unmarshal(body, &s) == nil && s.Method != "" {
		got.seen = &s
	}
	return got, nil
}
