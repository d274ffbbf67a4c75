// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const verifiers = "../../../api/signature/verifiers"

// example describes the example at the top of a verifier.
type example struct {
	file string
	// prefix matches what the comment has before each line of the example, and begin
	// and end the lines around it.
	prefix, begin, end string
	// unsigned is the part that payload: Signed does without, and signed what stands in
	// its place.
	unsigned, signed string
}

var (
	python     = example{"python/signet_verifier.py", `^ {4}|^$`, `^    verifier = `, `^With payload`, "allow_unsigned_payload=True", "allow_unsigned_payload=False"}
	javascript = example{"javascript/signet_verifier.mjs", `^// {3}|^//$`, `^//   const verifier`, `^// With payload`, "allowUnsignedPayload: true", "allowUnsignedPayload: false"}
	java       = example{"java/SignetVerifier.java", `^ \* ?`, `^ \* private final SignetVerifier`, `^ \* }</pre>`, "Options.UNSIGNED_PAYLOAD", "Options.DEFAULT"}
	php        = example{"php/SignetVerifier.php", `^ \* {5}|^ \*$`, `^ \*     \$verifier`, `^ \* With payload`, "allowUnsignedPayload: true", "allowUnsignedPayload: false"}
	c          = example{"c/signet_verifier.h", `^ \* {3}|^ \*$`, `^ \*   static signet_verifier`, `^ \* With payload`, ".allow_unsigned_payload = true", ".allow_unsigned_payload = false"}
	cpp        = example{"cpp/signet_verifier.hpp", `^// {3}|^//$`, `^//   signet::Verifier`, `^// With payload`, "signet::unsigned_payload()", "signet::Options{}"}
)

// text returns the example as it stands in the file, with the directory of the keys.
func (e example) text(t *testing.T, keys string, signed bool) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(verifiers, e.file))
	if err != nil {
		t.Fatal(err)
	}
	begin, end, prefix := regexp.MustCompile(e.begin), regexp.MustCompile(e.end), regexp.MustCompile(e.prefix)
	var lines []string
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSuffix(line, "\n")
		if len(lines) == 0 && !begin.MatchString(line) {
			continue
		}
		if end.MatchString(line) {
			break
		}
		if !prefix.MatchString(line) {
			t.Fatalf("%s: not a line of the example: %q", e.file, line)
		}
		lines = append(lines, prefix.ReplaceAllString(line, ""))
	}
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "/etc/signet/orders") || !strings.Contains(text, e.unsigned) {
		t.Fatalf("%s: the example lacks its directory or option:\n%s", e.file, text)
	}
	text = strings.Replace(text, "/etc/signet/orders", keys, 1)
	if signed {
		text = strings.Replace(text, e.unsigned, e.signed, 1)
	}
	return text
}

// write writes a program with the example in it, and returns its path.
func (e example) write(t *testing.T, directory, program, keys string, signed bool) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("programs", program))
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, directory, program, strings.Replace(string(content), "EXAMPLE", e.text(t, keys, signed), 1))
}

func writeFile(t *testing.T, directory, name, content string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
