// Package controlplane finds or builds the programs of a real Kubernetes
// control plane (etcd, kube-apiserver, kube-controller-manager, kubectl) and
// runs them on loopback, for tests, the demo and benchmarks.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// kubernetesVersion and etcdVersion are those of binaries/go.mod, and the
// Kubernetes minor of the client libraries in the root go.mod.
const (
	kubernetesVersion = "v1.37.2"
	etcdVersion       = "v3.7.3"
)

// program is one that a control plane needs.
type program struct {
	name, pkg string
}

var programs = []program{
	{"etcd", "go.etcd.io/etcd/server/v3"},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
}

// Assets returns the folder that holds the programs: KUBEBUILDER_ASSETS if
// that is set, else a cache outside the checkout, which is filled by building
// them from source the first time. That takes about 10 minutes on two cores;
// progress goes to out.
//
// What setup-envtest downloads is not asked for: it has no
// kube-controller-manager, and that takes most of the time to build.
func Assets(ctx context.Context, out io.Writer) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		if missing := missingIn(dir); len(missing) > 0 {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS=%s lacks %s: unset it to have them built, or add them", dir, strings.Join(missing, ", "))
		}
		return filepath.Abs(dir)
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	if len(missingIn(dir)) == 0 {
		return dir, nil
	}
	return dir, buildLocked(ctx, dir, out)
}

func missingIn(dir string) []string {
	var missing []string
	for _, p := range programs {
		if info, err := os.Stat(filepath.Join(dir, p.name)); err != nil || info.IsDir() {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// cacheDir is outside the checkout, so that a second clone builds nothing.
func cacheDir() (string, error) {
	root := os.Getenv("SIGNET_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder (set SIGNET_CACHE to name one): %w", err)
		}
		root = filepath.Join(user, "signet")
	}
	name := fmt.Sprintf("controlplane-%s-etcd-%s-%s-%s", kubernetesVersion, etcdVersion, runtime.GOOS, runtime.GOARCH)
	return filepath.Join(root, name), nil
}

// buildLocked builds the programs unless another process does so meanwhile.
func buildLocked(ctx context.Context, dir string, out io.Writer) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("open the lock of the cache: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the cache: %w", err)
	}
	if len(missingIn(dir)) == 0 {
		return nil
	}
	return build(ctx, dir, out)
}

// build makes the programs in a folder of their own, which takes its final name
// when it is complete.
func build(ctx context.Context, dir string, out io.Writer) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("the control plane has to be built from source, and there is no go program on the PATH: install Go, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl")
	}
	source, err := moduleDir()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	begin := time.Now()
	for i, p := range programs {
		say := func(format string, args ...any) {
			_, _ = fmt.Fprintf(out, "control plane %s, %d of %d: %s %s\n", kubernetesVersion, i+1, len(programs), p.name, fmt.Sprintf(format, args...))
		}
		if err := buildOne(ctx, source, temp, p, begin, say); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("put the programs in place: %w", err)
	}
	return nil
}

func buildOne(ctx context.Context, source, target string, p program, begin time.Time, say func(string, ...any)) error {
	say("is being built (about 10 minutes in all on two cores, once)")
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	done := make(chan error, 1)
	stamp := "-s -w -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
		" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", stamp, "-o", filepath.Join(target, p.name), p.pkg)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	go func() { done <- cmd.Run() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("build %s (needs the Go module source; set KUBEBUILDER_ASSETS if you have the programs): %w\n%s", p.name, err, log.String())
			}
			say("done, %s since the beginning", time.Since(begin).Round(time.Second))
			return nil
		case <-ticker.C:
			say("still building, %s since the beginning", time.Since(begin).Round(time.Second))
		}
	}
}

// moduleDir is the folder of the module that pins the programs: beside this
// file in the checkout that the caller runs from.
func moduleDir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "hack", "controlplane", "binaries"), nil
}

// Root is the root of the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working directory: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "controlplane", "binaries", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside a checkout of signet")
		}
		dir = parent
	}
}
