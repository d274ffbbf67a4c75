// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

var now = time.Now()

// runCommand runs the command with the flags of a command line.
func runCommand(t *testing.T, args string, at time.Time) (string, error) {
	t.Helper()
	options := DefaultOptions()
	flags := pflag.NewFlagSet("certs", pflag.ContinueOnError)
	options.Bind(flags)
	if err := flags.Parse(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := Run(context.Background(), options, &out, at)
	return out.String(), err
}

func load(t *testing.T, dir string) (leaf *x509.Certificate, roots *x509.CertPool) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no authority in ca.crt")
	}
	return pair.Leaf, roots
}

func TestCreatesAllCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	out, err := runCommand(t, "--out "+dir+" --sign team-a,* --verify team-a --server signer.signet-system.svc,127.0.0.1 --days 30", now)
	if err != nil {
		t.Fatal(err)
	}
	_, roots := load(t, filepath.Join(dir, "ca"))
	for name, want := range map[string]struct {
		uris  string
		usage x509.ExtKeyUsage
		host  string
	}{
		"server":        {"[]", x509.ExtKeyUsageServerAuth, "signer.signet-system.svc"},
		"sign-team-a":   {"[signet://sign/team-a]", x509.ExtKeyUsageClientAuth, ""},
		"sign-all":      {"[signet://sign/*]", x509.ExtKeyUsageClientAuth, ""},
		"verify-team-a": {"[signet://verify/team-a]", x509.ExtKeyUsageClientAuth, ""},
	} {
		leaf, own := load(t, filepath.Join(dir, name))
		for _, pool := range []*x509.CertPool{roots, own} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: want.host, KeyUsages: []x509.ExtKeyUsage{want.usage}}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if fmt.Sprint(leaf.URIs) != want.uris || len(leaf.ExtKeyUsage) != 1 {
			t.Errorf("%s: %v, %v", name, leaf.URIs, leaf.ExtKeyUsage)
		}
		if life := leaf.NotAfter.Sub(now); life > 30*day || life < 29*day {
			t.Errorf("%s: valid for %s", name, life)
		}
		if !strings.Contains(out, filepath.Join(dir, name)) {
			t.Errorf("the output does not list %s:\n%s", name, out)
		}
	}
}

func TestOnlyTheOwnerCanReadFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	if _, err := runCommand(t, "--out "+dir+" --sign team-a", now); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if mode := info.Mode().Perm(); (entry.IsDir() && mode != 0o700) || (!entry.IsDir() && mode != 0o600) {
			t.Errorf("%s: mode %o", path, mode)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestExistingCertificatesAreKept(t *testing.T) {
	dir := t.TempDir()
	if _, err := runCommand(t, "--out "+dir+" --sign team-a", now); err != nil {
		t.Fatal(err)
	}
	before, roots := load(t, filepath.Join(dir, "sign-team-a"))
	out, err := runCommand(t, "--out "+dir+" --sign team-b,team-a", now)
	if kept := "kept " + filepath.Join(dir, "sign-team-a") + ", which already exists (--overwrite replaces it)\n"; err != nil || !strings.Contains(out, kept) {
		t.Errorf("%q and error %v, want %q", out, err, kept)
	}
	if _, err := os.Stat(filepath.Join(dir, "sign-team-b")); err != nil {
		t.Error("the other one was not created: ", err)
	}
	if after, _ := load(t, filepath.Join(dir, "sign-team-a")); !after.Equal(before) {
		t.Error("the certificate was overwritten")
	}
	if _, err := runCommand(t, "--out "+dir+" --sign team-a --overwrite", now); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sign-team-a", "sign-team-b"} {
		leaf, _ := load(t, filepath.Join(dir, name))
		if leaf.Equal(before) {
			t.Errorf("%s was not replaced", name)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s has another authority: %v", name, err)
		}
	}
}

func TestUnusableAuthority(t *testing.T) {
	dir := t.TempDir()
	if _, err := runCommand(t, "--out "+dir+" --sign team-a", now); err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(t, "--out "+dir+" --sign team-b --days 365", now.Add(3300*day)); err == nil || !strings.Contains(err.Error(), "lower --days") {
		t.Errorf("expiring: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca", "tls.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runCommand(t, "--out "+dir+" --sign team-b", now); err == nil || !strings.Contains(err.Error(), "decode authority") {
		t.Errorf("broken: %v", err)
	}
}

func TestWritesSecrets(t *testing.T) {
	target := &cluster{client: fake.NewClientBuilder().Build()}
	options := Options{Namespace: "signet-system", Sign: []string{"team-a", "*"}, Verify: []string{"team-a"}, Server: []string{"signer"}}
	for _, c := range options.certificates() {
		for _, text := range []string{"first", "second"} {
			if err := target.write(t.Context(), c.location, map[string][]byte{"tls.crt": []byte(text), "tls.key": []byte(text), "ca.crt": []byte(text)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"signet-system/signet-signer-server", "signet-system/signet-signer-sign-all", "team-a/signet-signer-sign-team-a", "team-a/signet-signer-verify-team-a"} {
		namespace, short, _ := strings.Cut(name, "/")
		secret := &corev1.Secret{}
		if err := target.client.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: short}, secret); err != nil {
			t.Fatal(err)
		}
		if secret.Type != corev1.SecretTypeTLS || string(secret.Data["tls.key"]) != "second" {
			t.Errorf("%s: %s", name, secret.Type)
		}
	}
	if found, err := target.read(t.Context(), location{"sign-team-c", "team-c"}); found != nil || err != nil {
		t.Error(found, err)
	}
}

func TestInvalidFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--sign a":                             "exactly one of --out and --secrets is required",
		"--out x --secrets --sign a":           "exactly one of --out and --secrets is required",
		"--out x":                              "at least one of --server, --sign and --verify is required",
		"--out x --sign A":                     "--sign contains \"A\", which is not the name of a namespace",
		"--out x --verify *":                   "--verify contains \"*\", which is not the name of a namespace",
		"--out x --verify a/b":                 "--verify contains \"a/b\", which is not the name of a namespace",
		"--out x --server a_b":                 "--server contains \"a_b\", which is neither a DNS name nor an IP address",
		"--out x --sign a,a":                   "--sign contains a namespace twice",
		"--out x --sign a --days 0":            "--days is 0, but must be from 1 to 3650",
		"--out x --sign a --days 9999":         "--days is 9999, but must be from 1 to 3650",
		"--out x --sign a --namespace ../../x": "--namespace is \"../../x\", but must be the name of a namespace",
	} {
		if _, err := runCommand(t, args, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
