// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/env"
)

const (
	// Baseline is the name of what is recorded before the first release. It is
	// recorded again whenever the API changes on purpose. Each release is recorded
	// under its version in addition, and never again.
	Baseline = "baseline"

	// Rotating is for how many seconds the recorded rotations are staged and
	// retire: long enough to be recorded in the middle, and no longer than a test
	// can wait.
	Rotating = 20

	installFile = "install.yaml"
	objectsFile = "objects.yaml"
)

// kinds are recorded in this order: each requires those before it.
var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Namespace"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "Gateway"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "GRPCRoute"},
	{Group: "signet.dev", Version: "v1alpha1", Kind: key},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "ConfigMap"},
	{Group: "signet.dev", Version: "v1alpha1", Kind: binding},
}

// Record runs Signet as it is in a checkout and writes a baseline into the checkout
// at root, which later versions must handle: the CRDs, the installed objects, and
// keys and bindings as they are stored. The name is Baseline, or a version.
func Record(ctx context.Context, root, checkout, name string, out io.Writer) error {
	commit, err := committed(ctx, checkout)
	if err != nil {
		return err
	}
	c, err := StartCluster(ctx, out)
	if err != nil {
		return err
	}
	defer c.Stop()
	recorded, err := c.recordObjects(ctx, checkout)
	if err != nil {
		return err
	}
	rendered, err := exec.CommandContext(ctx, c.Kubectl, "kustomize", filepath.Join(checkout, "config", "default")).Output()
	if err != nil {
		return fmt.Errorf("render config/default: %w", err)
	}
	head := fmt.Sprintf("# Recorded by `make record-baseline BASELINE=%s` at commit\n# %s. Do not edit.\n", name, commit)
	folder := Folder(root, name)
	return errors.Join(
		copyCRDs(filepath.Join(checkout, "config", "crd", "bases"), filepath.Join(root, "config", "crd", "recorded", name)),
		write(folder, installFile, []byte(head), rendered),
		write(folder, objectsFile, []byte(head+"# TEST-ONLY MATERIAL: the data of the Secrets was generated for this recording\n# and is used nowhere.\n"), recorded),
	)
}

// committed returns the commit of a checkout. It fails if recorded files have been
// changed since.
func committed(ctx context.Context, checkout string) (string, error) {
	changes, err := git(ctx, checkout, "status", "--porcelain", "--", "main.go", "go.mod", "go.sum", "api", "controllers", "internal", "config", ":!config/crd/recorded")
	if err != nil {
		return "", err
	}
	if changes != "" {
		return "", fmt.Errorf("commit the changes in %s first:\n%s", checkout, changes)
	}
	return git(ctx, checkout, "rev-parse", "HEAD")
}

// Folder is the folder with the objects of a baseline.
func Folder(root, name string) string {
	return filepath.Join(root, "hack", "e2e", "upgrade", "testdata", name)
}

// recordObjects lets the manager of the checkout create the objects, stops it and
// returns them.
func (c *Cluster) recordObjects(ctx context.Context, checkout string) ([]byte, error) {
	binary := filepath.Join(c.Dir, "signet")
	if err := env.Build(ctx, checkout, ".", binary); err != nil {
		return nil, err
	}
	if err := c.Apply(ctx, "-k", filepath.Join(checkout, "config", "default")); err != nil {
		return nil, err
	}
	m, err := c.StartManager(ctx, binary)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.CreateFixtures(ctx, Rotating), m.Stop()); err != nil {
		return nil, err
	}
	state, err := c.Look(ctx)
	if err != nil {
		return nil, err
	}
	// Stopping takes time, and these states do not last.
	if err := errors.Join(state.unmet(changed), state.unmet(underWay)); err != nil {
		return nil, fmt.Errorf("the manager continued while it was stopped, record again: %w", err)
	}
	return c.dump(ctx)
}

// dump returns all objects to record.
func (c *Cluster) dump(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := c.Admin.List(ctx, list, client.InNamespace(Recorded)); err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			object := &list.Items[i]
			if (kind.Kind == "Namespace" && object.GetName() != Recorded) || object.GetName() == "kube-root-ca.crt" {
				continue
			}
			object.SetManagedFields(nil)
			text, err := yaml.Marshal(object.Object)
			if err != nil {
				return nil, fmt.Errorf("encode %s %s: %w", kind.Kind, object.GetName(), err)
			}
			out.WriteString("---\n")
			out.Write(text)
		}
	}
	return out.Bytes(), nil
}

func copyCRDs(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find CRDs in %s: %w", from, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read CRD: %w", err)
		}
		if err := write(to, filepath.Base(file), content); err != nil {
			return err
		}
	}
	return nil
}

func write(folder, name string, parts ...[]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("create %s: %w", folder, err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), bytes.Join(parts, nil), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Baselines returns the names of all baselines in the checkout at root.
func Baselines(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(Folder(root, "*"), objectsFile))
	if err != nil {
		return nil, fmt.Errorf("find baselines: %w", err)
	}
	var names []string
	for _, file := range files {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names, nil
}
