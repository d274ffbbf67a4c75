// SPDX-License-Identifier: Apache-2.0

package verifiers_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const sources = "../../../api/signature/verifiers"

// language is how a verifier is built and run.
type language struct {
	// needs is a command that fails if the toolchain is not there, and packages
	// are those of Debian that have it.
	needs    []string
	packages string
	// build makes what run needs in the directory %s.
	build []string
	run   []string
}

// languages are those that run here. C# is not among them: Debian has no .NET.
var languages = map[string]language{
	"python": {
		needs: []string{"python3", "-c", "import cryptography"}, packages: "python3 python3-cryptography",
		run: []string{"python3", "runners/run.py"},
	},
	"javascript": {
		needs: []string{"node", "--version"}, packages: "nodejs",
		run: []string{"node", "runners/run.mjs"},
	},
	"php": {
		needs: []string{"php", "-r", "exit(extension_loaded('openssl') ? 0 : 1);"}, packages: "php-cli",
		run: []string{"php", "runners/run.php"},
	},
	"java": {
		needs: []string{"javac", "-version"}, packages: "default-jdk-headless",
		build: []string{"javac", "-Xlint:all", "-Werror", "-d", "%s", sources + "/java/SignetVerifier.java", "runners/Run.java"},
		run:   []string{"java", "-cp", "%s", "Run"},
	},
	"c++": {
		needs: []string{"g++", "-include", "openssl/evp.h", "-E", "-x", "c++", "/dev/null"}, packages: "g++ libssl-dev",
		build: []string{"g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-I", sources + "/cpp", "-o", "%s/run", "runners/run.cpp", "-lcrypto"},
		run:   []string{"%s/run"},
	},
	"c": {
		needs: []string{"gcc", "-include", "openssl/evp.h", "-E", "-x", "c", "/dev/null"}, packages: "gcc libssl-dev",
		build: []string{"gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-I", sources + "/c", "-o", "%s/run", "runners/run.c", "-lcrypto"},
		run:   []string{"%s/run"},
	},
}

// chosen are the languages to run: all, or those that VERIFIERS lists.
func chosen(t *testing.T) []string {
	t.Helper()
	var names []string
	for name := range languages {
		names = append(names, name)
	}
	if listed := strings.Fields(os.Getenv("VERIFIERS")); len(listed) > 0 {
		for _, name := range listed {
			if !slices.Contains(names, name) {
				t.Fatalf("VERIFIERS: %q is none of %s", name, names)
			}
		}
		names = listed
	}
	slices.Sort(names)
	return names
}

// runner is a verifier that runs and answers a line for each line.
type runner struct {
	in  io.Writer
	out *bufio.Scanner
}

func start(t *testing.T, name string) *runner {
	t.Helper()
	l := languages[name]
	if out, err := exec.CommandContext(t.Context(), l.needs[0], l.needs[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("the toolchain of %s is not there (Debian: %s); VERIFIERS lists the languages to run\n%s: %v\n%s",
			name, l.packages, strings.Join(l.needs, " "), err, out)
	}
	directory := t.TempDir()
	if len(l.build) > 0 {
		build := placed(l.build, directory)
		if out, err := exec.CommandContext(t.Context(), build[0], build[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(build, " "), err, out)
		}
	}
	run := placed(l.run, directory)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), run[0], run[1:]...)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		// The sanitizers speak up at the end.
		if err := command.Wait(); err != nil {
			t.Errorf("the verifier ended with %v", err)
		}
	})
	return &runner{in: in, out: bufio.NewScanner(out)}
}

func placed(command []string, directory string) []string {
	var all []string
	for _, word := range command {
		all = append(all, strings.ReplaceAll(word, "%s", directory))
	}
	return all
}

// ask has the verifier judge a call. The fields of a line are separated by tabs,
// all but the first in base64: time, directory, the header that carries the
// signature, whether unsigned payloads are accepted, required headers, method,
// target, body, and names and values of headers in turn.
func (r *runner) ask(t *testing.T, c call) string {
	t.Helper()
	unsigned := "0"
	if c.unsigned {
		unsigned = "1"
	}
	directory, err := filepath.Abs(c.directory)
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{directory, c.carrier(), unsigned, c.required, c.method, c.target, c.body}
	for _, h := range c.headers {
		fields = append(fields, h.name, h.value)
	}
	line := strconv.FormatInt(c.now.Unix(), 10)
	for _, field := range fields {
		line += "\t" + base64.StdEncoding.EncodeToString([]byte(field))
	}
	if _, err := fmt.Fprintln(r.in, line); err != nil {
		t.Fatal(err)
	}
	if !r.out.Scan() {
		t.Fatalf("the verifier ended: %v", r.out.Err())
	}
	return r.out.Text()
}
