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
	"sync"
	"testing"
)

const sources = "../../../api/signature/verifiers"

// language is how a verifier is built and run.
type language struct {
	// build makes what run needs in the directory %s.
	build []string
	run   []string
}

var (
	buildsMu sync.Mutex
	// builds are the directories with what was built, by command.
	builds = map[string]string{}
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, directory := range builds {
		_ = os.RemoveAll(directory)
	}
	os.Exit(code)
}

// built returns the directory with what run needs. Each language is built once.
func (l language) built() (string, error) {
	if len(l.build) == 0 {
		return "", nil
	}
	buildsMu.Lock()
	defer buildsMu.Unlock()
	what := strings.Join(l.build, " ")
	if directory, there := builds[what]; there {
		return directory, nil
	}
	directory, err := os.MkdirTemp("", "verifiers-")
	if err != nil {
		return "", err
	}
	builds[what] = directory
	build := placed(l.build, directory)
	if out, err := exec.CommandContext(context.Background(), build[0], build[1:]...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(build, " "), err, out)
	}
	return directory, nil
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
	pid int
}

func start(t *testing.T, name string) *runner {
	t.Helper()
	l := languages[name]
	directory, err := l.built()
	if err != nil {
		t.Fatal(err)
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
	return &runner{in: in, out: bufio.NewScanner(out), pid: command.Process.Pid}
}

func placed(command []string, directory string) []string {
	var all []string
	for _, word := range command {
		all = append(all, strings.ReplaceAll(word, "%s", directory))
	}
	return all
}

// ask has the verifier judge a call.
func (r *runner) ask(t *testing.T, c call) string {
	t.Helper()
	return r.exchange(t, c.line(t), 1)[0]
}

// askAll has the verifier judge the calls of all cases, without waiting for each.
func (r *runner) askAll(t *testing.T, cases []verifierCase) []string {
	t.Helper()
	var lines []byte
	for _, j := range cases {
		lines = append(lines, j.call.line(t)...)
	}
	return r.exchange(t, lines, len(cases))
}

func (r *runner) exchange(t *testing.T, lines []byte, count int) []string {
	t.Helper()
	written := make(chan error, 1)
	go func() {
		_, err := r.in.Write(lines)
		written <- err
	}()
	answers := make([]string, 0, count)
	for range count {
		if !r.out.Scan() {
			t.Fatalf("the verifier ended: %v", r.out.Err())
		}
		answers = append(answers, r.out.Text())
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	return answers
}

// line is a call as runners read it. Its fields are separated by tabs, all but the
// first in base64: time, directory, the header that carries the signature, whether
// unsigned payloads are accepted, required headers, method, target, body, and names and
// values of headers in turn.
func (c *call) line(t *testing.T) []byte {
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
	line := strconv.AppendInt(nil, c.now.Unix(), 10)
	for _, field := range fields {
		line = base64.StdEncoding.AppendEncode(append(line, '\t'), []byte(field))
	}
	return append(line, '\n')
}
