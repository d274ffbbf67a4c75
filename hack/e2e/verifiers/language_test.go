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
	// build makes what run needs in the directory %s.
	build []string
	run   []string
}

// languages are those that run here; the Makefile lists what each one needs, and
// checks it. C# is not among them: Debian has no .NET.
var languages = map[string]language{
	"python": {
		run: []string{"python3", "runners/run.py"},
	},
	"javascript": {
		run: []string{"node", "runners/run.mjs"},
	},
	"php": {
		run: []string{"php", "runners/run.php"},
	},
	"java": {
		build: []string{"javac", "-Xlint:all", "-Werror", "-d", "%s", sources + "/java/SignetVerifier.java", "runners/Run.java"},
		run:   []string{"java", "-cp", "%s", "Run"},
	},
	"c++": {
		build: []string{"g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-I", sources + "/cpp", "-o", "%s/run", "runners/run.cpp", "-lcrypto"},
		run:   []string{"%s/run"},
	},
	"c": {
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
