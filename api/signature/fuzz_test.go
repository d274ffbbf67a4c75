// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// meaning is the part of a target that a signature covers, computed in another way
// than by the package: with net/url. It fails if net/url cannot parse the target.
func meaning(target string) (string, bool) {
	path, rawQuery, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return "", false
	}
	if !strings.HasSuffix(decoded, "/") {
		decoded += "/"
	}
	var pairs []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			return "", false
		}
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	slices.Sort(pairs)
	return url.PathEscape(decoded) + "?" + strings.Join(pairs, "&"), true
}

// FuzzTarget expects that two targets have the same canonical form if and only if
// they have the same meaning, in either order of the query.
func FuzzTarget(f *testing.F) {
	f.Add("/a%2Fb/../c", "/a/b/../c/")
	f.Add("/?a=1&b=2", "/?b=2&&a=1")
	f.Add("/?a{=3&a0", "/?a0=&a%7B=3")
	f.Add("/%", "/?%zz=+")
	f.Add("/?a%26b=c%3Dd", "/?a&b=c=d")
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, order := range []queryOrder{decodedOrder, encodedOrder} {
			firstText, firstErr := canonicalTarget(first, order)
			secondText, secondErr := canonicalTarget(second, order)
			for target, err := range map[string]error{first: firstErr, second: secondErr} {
				if _, ok := meaning(target); err == nil && !ok {
					t.Errorf("%q was accepted, but net/url cannot parse it", target)
				}
			}
			if firstErr != nil || secondErr != nil {
				continue
			}
			firstMeaning, _ := meaning(first)
			secondMeaning, _ := meaning(second)
			if (firstText == secondText) != (firstMeaning == secondMeaning) {
				t.Errorf("%q and %q: canonical %q and %q", first, second, firstText, secondText)
			}
			// The canonical form of a canonical form is the same.
			again, err := canonicalTarget(strings.Replace(firstText, "\n", "?", 1), order)
			if err != nil || again != firstText {
				t.Errorf("%q: canonical %q, and of that %q, %v", first, firstText, again, err)
			}
		}
	})
}

func canonicalTarget(target string, order queryOrder) (string, error) {
	path, rawQuery, _ := strings.Cut(target, "?")
	text, err := appendPath(nil, path)
	if err != nil {
		return "", err
	}
	var q query
	if err := q.parse(rawQuery); err != nil {
		return "", err
	}
	return string(q.append(append(text, '\n'), order)), nil
}

// FuzzVerify changes everything that a client can change. An accepted request must
// have the meaning of the signed one.
func FuzzVerify(f *testing.F) {
	keys := KeyList{}
	for _, kind := range []string{"HMAC", "AES-128", "ECDSA"} {
		keys = append(keys, mustKey(f, materials()[kind]))
	}
	const target = "/orders/a%20b?b=2&a=1"
	verifier := mustVerifier(f, keys, VerifierOptions{})
	var signed []Headers
	for _, key := range keys {
		headers, err := key.Sign(&Request{
			Method: "POST", Target: target, Host: "orders.internal",
			Header: http.Header{"Content-Type": {"a"}}, SignedHeaders: []string{"content-type"}, Payload: Digest([]byte(signedBody)),
		}, signedAt)
		if err != nil {
			f.Fatal(err)
		}
		signed = append(signed, headers)
		f.Add("POST", target, "orders.internal", "a", signedBody, headers.Signature, headers.Date, headers.Payload)
		f.Add("POST", target, "orders.internal", "a\u00a0", signedBody, headers.Signature, headers.Date, headers.Payload)
		f.Add("POST", "/orders/a%20b?a=1&b=2", "orders.internal", "a", signedBody, headers.Signature, headers.Date, headers.Payload)
		f.Add("GET", "/%2F", "", "", "", strings.Replace(headers.Signature, "content-type;", "", 1), headers.Date, UnsignedPayload)
	}
	f.Add("GET", "/", "h", "", "", "Basic b3JkZXJzOnBhc3M=", "", "")
	f.Add("GET", "/", "h", "", "", "Ba\u017Fic b3JkZXJzOnBhc3M=", "", "")
	want, _ := meaning(target)
	f.Fuzz(func(t *testing.T, method, target, host, contentType, body, signature, date, payload string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
		r.Method, r.URL, r.Host = method, u, host
		r.Header.Set("Content-Type", contentType)
		Headers{Signature: signature, Date: date, Payload: payload}.Set(r.Header, "")
		key, err := verifier.Verify(r)
		if (err == nil) != (key != nil) {
			t.Fatalf("Verify = %v, %v", key, err)
		}
		if err != nil {
			return
		}
		// Only the space after a comma may be missing.
		known := slices.ContainsFunc(signed, func(h Headers) bool {
			return strings.ReplaceAll(h.Signature, ", ", ",") == strings.ReplaceAll(signature, ", ", ",") &&
				h.Date == date && h.Payload == payload
		})
		got, _ := meaning(u.EscapedPath() + "?" + u.RawQuery)
		if !known || method != "POST" || host != "orders.internal" || strings.Trim(contentType, " \t") != "a" || body != signedBody || got != want {
			t.Errorf("accepted: %q %q %q %q %q %q %q %q", method, target, host, contentType, body, signature, date, payload)
		}
	})
}
