// SPDX-License-Identifier: Apache-2.0

package servers_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-dev/signet/api/signature"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// server is a server that runs the example of a verifier.
type server struct {
	// start starts it, and returns its address.
	start func(t *testing.T, s setup) string
	// versions of HTTP that it speaks.
	versions []int
	// refuses are the names of requests that cannot work, as the comment at the top of
	// the verifier says, and their statuses: 401, or what the server itself answers.
	refuses map[string]int
	// readsForms is true if the server reads bodies of type multipart itself.
	readsForms bool
}

// setup is what the server of a test case needs.
type setup struct {
	keys      string
	signed    bool
	directory string
}

var servers = map[string]server{
	"net/http":           {start: startGo, versions: []int{1, 2}},
	"gunicorn":           {start: startGunicorn, versions: []int{1}, refuses: map[string]int{"a repeated header": 401}},
	"waitress":           {start: startWaitress, versions: []int{1}, refuses: map[string]int{"a repeated header": 401}},
	"node:http":          {start: startNode("http"), versions: []int{1}},
	"node:http2":         {start: startNode("http2"), versions: []int{2}},
	"Express":            {start: startNode("express"), versions: []int{1}},
	"Jetty":              {start: startJetty, versions: []int{1, 2}, refuses: map[string]int{"an escaped slash": 400, "HTTP/2: a header of Latin-1": 401, "HTTP/2: a header of UTF-8": 401}},
	"PHP":                {start: startPHP("Off"), versions: []int{1}, refuses: map[string]int{"a repeated header": 401}},
	"PHP, as installed":  {start: startPHP("On"), versions: []int{1}, refuses: map[string]int{"a repeated header": 401, "Signed: multipart": 401}, readsForms: true},
	"php-fpm":            {start: startFPM, versions: []int{1}, refuses: map[string]int{"a repeated header": 401}},
	"libmicrohttpd, C":   {start: startMicrohttpd(c, "example.c", "gcc", "-std=c11"), versions: []int{1}},
	"libmicrohttpd, C++": {start: startMicrohttpd(cpp, "example.cpp", "g++", "-std=c++17"), versions: []int{1}},
}

var material = signature.Material{
	Type: signature.HMAC, KeyID: "1a2b", Key: signature.Bytes("orders_app"), Secret: signature.Bytes("s3cret_!@#$%-0123456789"),
}

// TestExamples sends requests that a gateway has signed, and the same with another
// signature, to each server.
func TestExamples(t *testing.T) {
	keys := t.TempDir()
	for name, content := range map[string]string{
		"type": string(material.Type), "key-id": material.KeyID, "key": string(material.Key), "secret": string(material.Secret),
	} {
		writeFile(t, keys, name, content)
	}
	for name, s := range servers {
		for signed, payload := range payloads {
			t.Run(name+"/"+payload, func(t *testing.T) {
				t.Parallel()
				address := s.start(t, setup{keys: keys, signed: signed, directory: t.TempDir()})
				for _, version := range s.versions {
					s.check(t, address, version, signed)
				}
			})
		}
	}
}

func startGo(t *testing.T, s setup) string {
	t.Helper()
	set, err := signature.NewKeySet([]string{s.keys}, signature.KeySetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := signature.NewVerifier(set, signature.VerifierOptions{AllowUnsignedPayload: !s.signed})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Key-Id", material.KeyID)
		_, _ = w.Write(body)
	})))
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// run starts a program that listens on the address in its environment.
func run(t *testing.T, command proc.Command) string {
	t.Helper()
	address := proc.FreeAddress(t)
	for i, argument := range command.Args {
		command.Args[i] = strings.ReplaceAll(argument, "ADDRESS", address)
	}
	command.Env = append(command.Env, "ADDRESS="+address, "VERIFIERS="+absolute(t, verifiers))
	p := proc.Run(t, command)
	waitFor(t, p, "tcp", address)
	return address
}

// waitFor waits until the program listens.
func waitFor(t *testing.T, p *proc.Process, network, address string) {
	t.Helper()
	proc.EventuallyLong(t, "a server on "+address, func() error {
		select {
		case <-p.Ended():
			return proc.Final(errors.New("the server has ended: " + p.Tail()))
		default:
		}
		connection, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), network, address)
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// cache is where the Makefile installs servers.
func cache(t *testing.T, name string) string {
	t.Helper()
	path := absolute(t, filepath.Join("cache", name))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("run make test-servers, which installs them: %v", err)
	}
	return path
}

func startGunicorn(t *testing.T, s setup) string {
	t.Helper()
	python.write(t, s.directory, "wsgi.py", s.keys, s.signed)
	return run(t, proc.Command{
		Program: "python3", Args: []string{"-m", "gunicorn", "--no-control-socket", "--bind", "ADDRESS", "--threads", "2", "--log-level", "warning", "wsgi:application"},
		Dir: s.directory, Env: []string{"PYTHONPATH=" + cache(t, "python")},
	})
}

func startWaitress(t *testing.T, s setup) string {
	t.Helper()
	python.write(t, s.directory, "wsgi.py", s.keys, s.signed)
	return run(t, proc.Command{Program: "python3", Args: []string{"wsgi.py"}, Dir: s.directory, Env: []string{"PYTHONPATH=" + cache(t, "python")}})
}

func startNode(kind string) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		t.Helper()
		path := javascript.write(t, s.directory, "server.mjs", s.keys, s.signed)
		return run(t, proc.Command{Program: "node", Args: []string{path, kind}, Env: []string{"MODULES=" + absolute(t, ".")}})
	}
}

func startJetty(t *testing.T, s setup) string {
	t.Helper()
	path := java.write(t, s.directory, "Server.java", s.keys, s.signed)
	classes := cache(t, "java") + "/*:" + s.directory
	build(t, "javac", "-Xlint:all,-processing", "-Werror", "-cp", classes, "-d", s.directory, absolute(t, verifiers+"/java/SignetVerifier.java"), path)
	return run(t, proc.Command{Program: "java", Args: []string{"-XX:TieredStopAtLevel=1", "-cp", classes, "Server"}})
}

func build(t *testing.T, program string, arguments ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func startPHP(readsForms string) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		t.Helper()
		path := php.write(t, s.directory, "server.php", s.keys, s.signed)
		return run(t, proc.Command{Program: "php", Args: []string{"-q", "-d", "enable_post_data_reading=" + readsForms, "-S", "ADDRESS", path}})
	}
}

// startFPM starts php-fpm, whose name on Debian has the version of PHP, behind nginx.
func startFPM(t *testing.T, s setup) string {
	t.Helper()
	php.write(t, s.directory, "server.php", s.keys, s.signed)
	found, err := filepath.Glob("/usr/sbin/php-fpm*")
	if err != nil || len(found) == 0 {
		t.Fatal("there is no php-fpm")
	}
	current, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	// nginx gives up root, and has to reach the socket and the files.
	for path := s.directory; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // a directory of the test
			t.Fatal(err)
		}
	}
	address := proc.FreeAddress(t)
	replace := strings.NewReplacer("DIRECTORY", s.directory, "ADDRESS", address, "USER", current.Username)
	var paths []string
	for _, name := range []string{"php-fpm.conf", "nginx.conf"} {
		content, err := os.ReadFile(filepath.Join("programs", name))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, writeFile(t, s.directory, name, replace.Replace(string(content))))
	}
	fpm := proc.Run(t, proc.Command{
		Program: found[0], Args: []string{"--nodaemonize", "--allow-to-run-as-root", "--fpm-config", paths[0]}, Env: []string{"VERIFIERS=" + absolute(t, verifiers)},
	})
	waitFor(t, fpm, "unix", s.directory+"/fpm.sock")
	nginx := proc.Run(t, proc.Command{Program: "nginx", Args: []string{"-c", paths[1], "-g", "user " + current.Username + ";"}})
	waitFor(t, nginx, "tcp", address)
	return address
}

func startMicrohttpd(e example, program, compiler, standard string) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		t.Helper()
		path := e.write(t, s.directory, program, s.keys, s.signed)
		object := filepath.Join(s.directory, "server.o")
		build(t, "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-c", "-o", object, "programs/server.c")
		binary := filepath.Join(s.directory, "server")
		include := filepath.Join(verifiers, filepath.Dir(e.file))
		build(t, compiler, standard, "-Wall", "-Wextra", "-Werror", "-I", include, "-I", "programs", "-o", binary, path, object, "-lmicrohttpd", "-lcrypto")
		return run(t, proc.Command{Program: binary})
	}
}
