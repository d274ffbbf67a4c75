// SPDX-License-Identifier: Apache-2.0

package gateways

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// The versions are those of the go.mod in the folders next to this file.
var (
	caddy = proc.Set{
		Name: "caddy-v2.11.9", Module: "hack/e2e/gateways/caddy", Patience: "about 3 minutes on two cores, once",
		Programs: []proc.Program{{Name: "caddy", Package: "."}},
	}
	traefik = proc.Set{
		Name: "traefik-v3.5.3", Module: "hack/e2e/gateways/traefik", Patience: "about 5 minutes on two cores, once",
		Programs: []proc.Program{{Name: "traefik", Package: "github.com/traefik/traefik/v3/cmd/traefik"}},
	}
)

// Caddy returns the path of the program, after building it if need be.
func Caddy(ctx context.Context, out io.Writer) (string, error) { return find(ctx, caddy, out) }

// Traefik returns the path of the program, after building it if need be.
func Traefik(ctx context.Context, out io.Writer) (string, error) { return find(ctx, traefik, out) }

func find(ctx context.Context, set proc.Set, out io.Writer) (string, error) {
	dir, err := set.Find(ctx, out)
	return filepath.Join(dir, set.Programs[0].Name), err
}

// Envoy returns the path of the program that the Makefile installs.
func Envoy() (string, error) {
	root, err := proc.Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "hack", "e2e", "gateways", "cache", "envoy", "envoy", "_bin", "envoy")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find Envoy, which make test-gateways installs: %w", err)
	}
	return path, nil
}

// Nginx returns the path of the distribution's nginx.
func Nginx() (string, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		return "", errors.New("there is no nginx: install the Debian packages nginx-light and libnginx-mod-http-js")
	}
	return path, nil
}
