// SPDX-License-Identifier: Apache-2.0

package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/signet-dev/signet/api/signature"
)

// samples is how many requests are compared with each signer.
const samples = 1000

// random is another one each time: SIGNERS_SEED repeats a run.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("SIGNERS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SIGNERS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestLikeTheGoSDK(t *testing.T) {
	r := random(t)
	for range samples {
		s := randomSample(r, goAlphabet())
		s.body = randomText(r, goAlphabet(), goAlphabet().text, 200)
		payload := signature.Digest([]byte(s.body))
		if r.IntN(4) == 0 {
			payload = signature.UnsignedPayload
		}
		want := goSign(t, s, map[string]string{"X-Sdk-Content-Sha256": payload})
		if got := s.sign(t, payload).Signature; got != want {
			t.Fatalf("target %q:\n%s, want\n%s", s.target, got, want)
		}
		// Here the SDK hashes the body itself.
		if err := s.accepted(goSign(t, s, nil), s.body); err != nil {
			t.Fatalf("target %q: its signature is refused: %v", s.target, err)
		}
		if err := s.accepted(goSign(t, s, nil), s.body+"x"); err == nil {
			t.Fatalf("target %q: another body is accepted", s.target)
		}
	}
}

// goSign never gives the SDK a content type: it does not sign that, and for most
// it turns to UNSIGNED-PAYLOAD. Nor names with `_`, which it does not sign.
func goSign(t *testing.T, s *sample, more map[string]string) string {
	t.Helper()
	b := request.NewHttpRequestBuilder().WithEndpoint("https://"+s.host).WithPath(s.path).WithMethod(s.method).
		AddHeaderParam("host", s.host).AddHeaderParam("X-Sdk-Date", s.date.Format(signature.DateLayout)).WithBody("", s.body)
	for name, values := range s.query {
		b.AddQueryParam(name, reflect.ValueOf(values))
	}
	for _, header := range []map[string]string{s.header, more} {
		for name, value := range header {
			b.AddHeaderParam(name, value)
		}
	}
	headers, err := signer.Sign(b.Build(), s.access, s.secret)
	if err != nil {
		t.Fatal(err)
	}
	return headers["Authorization"]
}

// nodeRequest is what sign.mjs reads.
type nodeRequest struct {
	Access      string              `json:"access"`
	Secret      string              `json:"secret"`
	Method      string              `json:"method"`
	Endpoint    string              `json:"endpoint"`
	QueryParams map[string][]string `json:"queryParams"`
	Headers     map[string]string   `json:"headers"`
	Data        any                 `json:"data,omitempty"`
}

type nodeAnswer struct{ Authorization, Body string }

func TestLikeTheNodeSDK(t *testing.T) {
	r := random(t)
	var all []*sample
	var requests []nodeRequest
	for range samples {
		s := randomSample(r, nodeAlphabet())
		s.body = signature.UnsignedPayload
		if r.IntN(4) > 0 {
			// It cannot read bytes, but takes the word of the header for them.
			s.body = signature.Digest([]byte(randomText(r, goAlphabet(), goAlphabet().text, 200)))
		}
		all = append(all, s)
		requests = append(requests, nodeRequestOf(s, map[string]string{"X-Sdk-Content-Sha256": s.body}, nil))
		// And once with a body that it hashes itself: JSON.
		data := map[string]any{text(r, nodeAlphabet().text, 1, 9): []any{text(r, nodeAlphabet().text, 0, 9), r.IntN(1000), nil}}
		requests = append(requests, nodeRequestOf(s, nil, data))
	}
	for i, answer := range nodeSign(t, requests) {
		s := all[i/2]
		if i%2 == 0 {
			if got := s.sign(t, s.body).Signature; got != answer.Authorization {
				t.Fatalf("target %q:\n%s, want\n%s", s.target, got, answer.Authorization)
			}
			continue
		}
		if err := s.accepted(answer.Authorization, answer.Body); err != nil {
			t.Fatalf("target %q: its signature is refused: %v", s.target, err)
		}
		if err := s.accepted(answer.Authorization, answer.Body+"x"); err == nil {
			t.Fatalf("target %q: another body is accepted", s.target)
		}
	}
}

func nodeRequestOf(s *sample, more map[string]string, data any) nodeRequest {
	// The SDK looks for its own headers under just these names.
	headers := map[string]string{"host": s.host, "X-Sdk-Date": s.date.Format(signature.DateLayout)}
	for _, header := range []map[string]string{s.header, more} {
		for name, value := range header {
			headers[name] = value
		}
	}
	return nodeRequest{
		Access: s.access, Secret: s.secret, Method: s.method, Endpoint: "https://" + s.host + s.path,
		QueryParams: s.query, Headers: headers, Data: data,
	}
}

// nodeSign has one process sign all of them.
func nodeSign(t *testing.T, requests []nodeRequest) []nodeAnswer {
	t.Helper()
	var input bytes.Buffer
	encoder := json.NewEncoder(&input)
	for _, r := range requests {
		if err := encoder.Encode(r); err != nil { //nolint:gosec // the secret of a test goes to the other signer
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "node", "sign.mjs")
	command.Stdin, command.Stderr = &input, os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("node sign.mjs: %v (npm ci makes what it needs)", err)
	}
	var answers []nodeAnswer
	scanner := bufio.NewScanner(bytes.NewReader(output))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var answer nodeAnswer
		if err := json.Unmarshal(scanner.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if len(answers) != len(requests) {
		t.Fatalf("%d answers to %d requests", len(answers), len(requests))
	}
	return answers
}
