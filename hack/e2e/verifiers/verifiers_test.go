// SPDX-License-Identifier: Apache-2.0

// Package verifiers_test runs the verifiers of api/signature/verifiers and
// demands that each returns what api/signature returns, to the reason of a refusal.
// Run it with `make test-verifiers`.
package verifiers_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-dev/signet/api/signature"
)

// verifierCase is a call and the error to refuse it with; nil if it must be
// accepted.
type verifierCase struct {
	name string
	call call
	want error
}

func TestVerifiers(t *testing.T) {
	cases := verifierCases(t)
	results := make([]string, len(cases))
	for i, j := range cases {
		result := j.call.result(t)
		if j.want == nil && !strings.HasPrefix(result, "ok ") || j.want != nil && j.want != errAgreed && result != refused(j.want) { //nolint:errorlint // a sentinel of the tests
			t.Fatalf("%s: the library returns %q, want %v", j.name, result, j.want)
		}
		results[i] = result
	}
	t.Logf("%d cases for each language", len(cases))
	for _, name := range chosen(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier := start(t, name)
			answers := verifier.askAll(t, cases)
			for i, j := range cases {
				if got, want := answers[i], results[i]; got != want {
					t.Errorf("%s: %q, want %q\n%s %s %v", j.name, got, want, j.call.method, j.call.target, j.call.headers)
				}
			}
			checkRotation(t, verifier)
			checkProjected(t, verifier)
		})
	}
}

func verifierCases(t *testing.T) []verifierCase {
	cases := vectors(t)
	all, others := materials()
	random := rand.New(rand.NewPCG(seed(t), 0))
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		material := all[kind]
		directory := t.TempDir()
		mount(t, directory, material, nil)
		good := signedCall(t, directory, material)
		cases = append(cases, verifierCase{kind + ": good", good, nil})
		other := signedCall(t, directory, others[kind])
		cases = append(cases, verifierCase{kind + ": another key's signature", other, signature.ErrMismatch})
		for signs, m := range all {
			if signs != kind {
				cases = append(cases, verifierCase{signs + " for " + kind, signedCall(t, directory, m), signature.ErrUnknownKey})
			}
		}
		if kind == "Basic" {
			cases = append(cases, basic(good)...)
			continue
		}
		for name, f := range forgeries {
			forged := good
			f.forge(&forged)
			cases = append(cases, verifierCase{kind + ": " + name, forged, f.want})
		}
		cases = append(cases, settings(t, directory, material)...)
		cases = append(cases, randomCalls(t, random, directory, material)...)
		if kind == "HMAC" {
			cases = append(cases, characterCalls(t, random, directory, material)...)
		}
	}
	return append(cases, encodedOrder(t, all["HMAC"]))
}

const signedBody = `{"order":42}`

func signedCall(t *testing.T, directory string, m signature.Material) call {
	t.Helper()
	c := call{
		now: signedAt, directory: directory, method: "POST", target: "/orders/a%20b?b=2&a=1", body: signedBody,
		headers: []header{{"Host", "orders.internal"}, {"Content-Type", "application/json"}, {"x-twice", " b "}, {"X-Twice", "a"}},
	}
	c.sign(t, m, signature.Digest([]byte(signedBody)), "content-type", "x-twice")
	return c
}

func vectors(t *testing.T) []verifierCase {
	text, err := os.ReadFile("../../../api/signature/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			ID, Method, Target, Body, Access, Secret, Signature string
			Headers                                             map[string]string
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var cases []verifierCase
	for _, v := range file.Vectors {
		now, err := time.Parse(signature.DateLayout, v.Headers["x-sdk-date"])
		if err != nil {
			t.Fatal(err)
		}
		c := call{now: now, directory: t.TempDir(), unsigned: true, method: v.Method, target: v.Target, body: v.Body}
		mount(t, c.directory, signature.Material{
			Type: signature.HMAC, KeyID: v.ID, Key: signature.Bytes(v.Access), Secret: signature.Bytes(v.Secret),
		}, nil)
		var names []string
		for _, name := range []string{"content-type", "host", "x-sdk-content-sha256", "x-sdk-date"} {
			if value, there := v.Headers[name]; there {
				names = append(names, name)
				c.set(name, value)
			}
		}
		c.set("Authorization", fmt.Sprintf("SDK-HMAC-SHA256 Access=%s, SignedHeaders=%s, Signature=%s", v.Access, strings.Join(names, ";"), v.Signature))
		j := verifierCase{"vector " + v.ID, c, nil}
		if len(names) == 1 {
			j.want = signature.ErrUnsignedHeader
		}
		cases = append(cases, j)
		if v.ID == "java-sdk-post" {
			cases = append(cases, unsignedDigests(c)...)
		}
	}
	if len(cases) == 0 {
		t.Fatal("there are no vectors")
	}
	return cases
}

// unsignedDigests add the header to a call that was signed without it.
func unsignedDigests(good call) []verifierCase {
	ignored := good
	ignored.set(signature.HeaderPayload, signature.UnsignedPayload)
	swapped, announced := ignored, good
	swapped.body, announced.body = "another", "another"
	announced.set(signature.HeaderPayload, signature.Digest([]byte(good.body)))
	return []verifierCase{
		{"a digest that is not signed", ignored, nil},
		{"an unsigned digest marks the body as not signed", swapped, signature.ErrMismatch},
		{"an unsigned digest is that of the signed body", announced, signature.ErrMismatch},
	}
}

// encodedOrder is signed as the SDK for Java does, which sorts "%3A" before "0".
func encodedOrder(t *testing.T, m signature.Material) verifierCase {
	c := call{now: signedAt, directory: t.TempDir(), method: "GET", target: "/?a0=2&a:b=1", headers: []header{{"host", "h"}}}
	mount(t, c.directory, m, nil)
	c.set(signature.HeaderDate, signedAt.Format(signature.DateLayout))
	request := "GET\n/\na%3Ab=1&a0=2\nhost:h\nx-sdk-date:20240229T235959Z\n\nhost;x-sdk-date\n" + signature.EmptyPayload
	sum := sha256.Sum256([]byte(request))
	mac := hmac.New(sha256.New, m.Secret)
	fmt.Fprintf(mac, "SDK-HMAC-SHA256\n20240229T235959Z\n%x", sum)
	c.set("Authorization", "SDK-HMAC-SHA256 Access=orders_app, SignedHeaders=host;x-sdk-date, Signature="+hex.EncodeToString(mac.Sum(nil)))
	return verifierCase{"a query in encoded order", c, nil}
}

// seed is another one each time: VERIFIERS_SEED repeats a run.
func seed(t *testing.T) uint64 {
	value := uint64(time.Now().UnixNano())
	if text := os.Getenv("VERIFIERS_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &value); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("VERIFIERS_SEED=%d", value)
	return value
}

// randomCalls are good ones with odd targets and values, and each of them with
// another target under its signature.
func randomCalls(t *testing.T, r *rand.Rand, directory string, m signature.Material) []verifierCase {
	pieces := []string{"/", "a", "Z", "0", "~", "%2F", "%2f", "%00", "%C3%A4", "\xc3\xa4", "%7e", "%25", "+", "%2B", "%20", ":", "..", ";", "=", "&", "?", "!", "*", "'", "{", "\"", "[", ",", "a=1&", "%3d", "\xff"}
	random := func() string {
		text := ""
		for range r.IntN(12) {
			text += pieces[r.IntN(len(pieces))]
		}
		return text
	}
	var cases []verifierCase
	for i := range 40 {
		c := call{now: signedAt, directory: directory, method: "PUT", target: "/" + random(), body: random(), headers: []header{{"host", "h:80"}}}
		for range r.IntN(3) {
			c.headers = append(c.headers, header{"X-Odd", " " + random() + "\t"})
		}
		c.sign(t, m, signature.Digest([]byte(c.body)), "x-odd")
		cases = append(cases, verifierCase{fmt.Sprintf("random %d", i), c, nil})
		c.target += "!"
		cases = append(cases, verifierCase{fmt.Sprintf("random %d, forged", i), c, signature.ErrMismatch})
	}
	return cases
}

// characterCalls have one character at the beginning, in the middle and at the end of a
// signed value: each byte, and characters from all of Unicode. Only white space that the
// signature does not cover may be added afterwards. Names, methods and hosts with such a
// character are refused by all in the same way, or accepted by all.
func characterCalls(t *testing.T, r *rand.Rand, directory string, m signature.Material) []verifierCase {
	var characters []string
	for b := range 256 {
		characters = append(characters, string([]byte{byte(b)}))
	}
	// Spaces of Unicode, letters whose other case is in ASCII or is longer, and others.
	for _, c := range "\u0085\u00a0\u1680\u2003\u2028\u202f\u205f\u3000\u180e\ufeff\u200b\u212a\u017f\u0130\u0131\u00b5\u00df\u1e9e\ufb01\uff41" {
		characters = append(characters, string(c))
	}
	for range 40 {
		characters = append(characters, string(rune(r.Int32N(0x10ffff))))
	}
	var cases []verifierCase
	for _, c := range characters {
		base := call{now: signedAt, directory: directory, method: "PUT", target: "/", headers: []header{{"host", "h"}, {"X-Odd", "a" + c + "b"}}}
		if !strings.ContainsAny(c, "\r\n\x00") {
			for _, value := range []string{c + "b", "a" + c + "b", "a" + c} {
				base.set("X-Odd", value)
				base.sign(t, m, signature.EmptyPayload, "x-odd")
				cases = append(cases, verifierCase{fmt.Sprintf("%q, signed", value), base, nil})
			}
		}
		base.set("X-Odd", "b")
		base.sign(t, m, signature.EmptyPayload, "x-odd")
		added := base
		added.set("X-Odd", "b"+c)
		cases = append(cases, agreed(t, fmt.Sprintf("%q after a value", c), added, c == " " || c == "\t"))
		before := base
		before.set("X-Odd", c+"b")
		cases = append(cases, agreed(t, fmt.Sprintf("%q before a value", c), before, c == " " || c == "\t"))
		host := base
		host.set("host", "h"+c)
		cases = append(cases, agreed(t, fmt.Sprintf("%q after the host", c), host, c == " " || c == "\t"))
		method := base
		method.method = "PU" + c + "T"
		cases = append(cases, agreed(t, fmt.Sprintf("%q in the method", c), method, false))
		target := base
		target.target += c
		cases = append(cases, agreed(t, fmt.Sprintf("%q in the target", c), target, c == "?"))
		name := base
		name.headers = append(slices.Clone(base.headers), header{"x-od" + c, "d"})
		cases = append(cases, agreed(t, fmt.Sprintf("%q in a name", c), name, c != "d" && c != "D"))
		carrier := base
		carrier.set("Authorization", strings.Replace(base.get("Authorization"), "HMAC", "HMA"+c, 1))
		cases = append(cases, agreed(t, fmt.Sprintf("%q in the scheme", c), carrier, c == "C"))
	}
	return cases
}

// agreed is a case for which the library decides, and which is accepted or not.
func agreed(t *testing.T, name string, c call, accepted bool) verifierCase {
	t.Helper()
	result := c.result(t)
	if accepted != strings.HasPrefix(result, "ok ") {
		t.Errorf("%s: the library returns %q, accepted: %v", name, result, accepted)
	}
	return verifierCase{name, c, errAgreed}
}

// errAgreed stands for whatever the library returns.
var errAgreed = errors.New("as the library")

// checkRotation has the keys of a directory change under a verifier that runs.
func checkRotation(t *testing.T, verifier *runner) {
	all, others := materials()
	old, fresh := all["HMAC"], others["HMAC"]
	fresh.KeyID = "9f9f"
	directory := t.TempDir()
	ask := func(m signature.Material, after time.Duration) string {
		c := signedCall(t, directory, m)
		c.now = signedAt.Add(after)
		return verifier.ask(t, c)
	}
	check := func(when, got, want string) {
		if got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	mismatch := refused(signature.ErrMismatch)
	mount(t, directory, old, nil)
	check("before", ask(old, 0), "ok 1a2b")
	check("before, the new key", ask(fresh, 0), mismatch)
	mount(t, directory, old, components("next.", fresh))
	check("staged", ask(fresh, 5*time.Second), "ok 9f9f")
	check("staged, the active key", ask(old, 5*time.Second), "ok 1a2b")
	previous := components("previous.", old)
	// The verifier's clock may be ahead by as much as dates may be behind it.
	previous["previous.retires"] = signedAt.Add(time.Minute - signature.DefaultWindow).Format(time.RFC3339)
	mount(t, directory, fresh, previous)
	check("switched", ask(fresh, 10*time.Second), "ok 9f9f")
	check("switched, the old key", ask(old, time.Minute), "ok 1a2b")
	check("retired", ask(old, time.Minute+time.Second), mismatch)
	mount(t, directory, signature.Material{Type: signature.HMAC, KeyID: "0", Key: signature.Bytes("x\n")}, nil)
	check("broken", ask(fresh, 2*time.Minute), "ok 9f9f")
	mount(t, directory, old, nil)
	check("fixed", ask(old, 3*time.Minute), "ok 1a2b")
	check("fixed, the key before", ask(fresh, 3*time.Minute), mismatch)
	public := t.TempDir()
	mount(t, public, signature.Material{Type: signature.HMAC, KeyID: "0", Key: signature.Bytes("x\n")}, nil)
	directory = public
	check("broken from the start", ask(fresh, 0), "no keys")
}

// checkProjected has the keys of a projected volume change: its ..data is above the
// directory.
func checkProjected(t *testing.T, verifier *runner) {
	all, others := materials()
	volume := t.TempDir()
	directory := filepath.Join(volume, "orders")
	for i, m := range []signature.Material{all["HMAC"], others["HMAC"], all["HMAC"]} {
		inner := t.TempDir()
		mount(t, inner, m, nil)
		link := filepath.Join(volume, "..data")
		if err := errors.Join(os.Symlink(inner, link+"_tmp"), os.Rename(link+"_tmp", link)); err != nil {
			t.Fatal(err)
		}
		_ = os.Symlink("..data/..data", directory)
		c := signedCall(t, directory, m)
		c.now = signedAt.Add(time.Duration(i) * time.Minute)
		if got, want := verifier.ask(t, c), "ok "+m.KeyID; got != want {
			t.Errorf("projected, step %d: %q, want %q", i, got, want)
		}
	}
}
