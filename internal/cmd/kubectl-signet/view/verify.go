// SPDX-License-Identifier: Apache-2.0

package view

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/signet-dev/signet/api/signature"
)

// Verified is the outcome of verifying a saved request.
type Verified struct {
	Accepted bool `json:"accepted"`
	// Version is the ID of the version that signed the request.
	Version string `json:"version,omitempty"`
	// Reason is why the request was refused.
	Reason string `json:"reason,omitempty"`
	// Differs names the part that was different when the request was signed.
	Differs string `json:"differs,omitempty"`
}

// Verify verifies a request with its signature in the header, and tries to find the
// part that has changed since it was signed. The IDs are those that requests
// contain for the key's versions.
func Verify(verifier *signature.Verifier, header string, ids []string, request *signature.Request) Verified {
	key, err := verifier.VerifyRequest(request)
	if err == nil {
		return Verified{Accepted: true, Version: key.ID()}
	}
	verified := Verified{Reason: err.Error()}
	switch {
	case errors.Is(err, signature.ErrPayloadMismatch):
		verified.Differs = "the body"
	case errors.Is(err, signature.ErrMissingHeader):
		verified.Differs = "the headers: the file lacks a signed header"
	case errors.Is(err, signature.ErrUnknownKey):
		verified.Differs = otherKey(request.Header.Get(header), ids)
	case errors.Is(err, signature.ErrMismatch):
		verified.Differs = differing(verifier, request)
	}
	return verified
}

// shown matches the ID of the key in a signature. It does not match type Basic,
// whose header contains the secret itself.
var shown = regexp.MustCompile(`^((?:SDK|SIGNET)-[A-Z0-9-]+ Access=[^,\s]+),`)

// otherKey names the key that signed the request and the one that verifies.
func otherKey(signed string, ids []string) string {
	match := shown.FindStringSubmatch(signed)
	if match == nil || len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("the key: %s signed the request, but the ID of this key is %s", match[1], strings.Join(ids, " or "))
}

// guess is a request as it may have been signed.
type guess struct {
	what    string
	request signature.Request
}

// differing tries the changes that gateways are known to make.
func differing(verifier *signature.Verifier, request *signature.Request) string {
	for _, guess := range slices.Concat(methodGuesses(request), hostGuesses(request), targetGuesses(request)) {
		if _, err := verifier.VerifyRequest(&guess.request); err == nil {
			return guess.what
		}
	}
	return "unknown: no other method, and no host or path that gateways often change, matches. " +
		"It may be a signed header, the query, several parts, or the secret"
}

func methodGuesses(request *signature.Request) []guess {
	var guesses []guess
	for _, method := range []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions,
	} {
		changed := *request
		changed.Method = method
		guesses = append(guesses, guess{fmt.Sprintf("the method: %s was signed, not %s", method, request.Method), changed})
	}
	return guesses
}

func hostGuesses(request *signature.Request) []guess {
	hosts := []string{request.Header.Get("X-Forwarded-Host"), request.Header.Get("X-Original-Host")}
	if host, _, err := net.SplitHostPort(request.Host); err == nil {
		hosts = append(hosts, host)
	} else {
		for _, port := range []string{"80", "443", "8080", "8443"} {
			hosts = append(hosts, net.JoinHostPort(request.Host, port))
		}
	}
	var guesses []guess
	for _, host := range hosts {
		if host == "" {
			continue
		}
		changed := *request
		changed.Host = host
		guesses = append(guesses, guess{fmt.Sprintf("the host: %s was signed, not %s", host, request.Host), changed})
	}
	return guesses
}

func targetGuesses(request *signature.Request) []guess {
	path, query, hasQuery := strings.Cut(request.Target, "?")
	suffix := ""
	if hasQuery {
		suffix = "?" + query
	}
	targets := []string{path, request.Header.Get("X-Forwarded-Uri"), request.Header.Get("X-Original-Url"),
		request.Header.Get("X-Envoy-Original-Path")}
	if prefix := request.Header.Get("X-Forwarded-Prefix"); prefix != "" {
		targets = append(targets, strings.TrimSuffix(prefix, "/")+path+suffix)
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			targets = append(targets, path[i:]+suffix)
		}
	}
	var guesses []guess
	for _, target := range targets {
		if target == "" || target == request.Target {
			continue
		}
		changed := *request
		changed.Target = target
		guesses = append(guesses, guess{
			fmt.Sprintf("path or query: %s was signed, not %s; sign after rewrites", target, request.Target), changed,
		})
	}
	return guesses
}
