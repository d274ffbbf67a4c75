// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compat DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

// run compares each baseline under dir with the bases.
func run(dir string, out io.Writer) error {
	today, err := readCRDs(filepath.Join(dir, "bases"))
	if err != nil {
		return err
	}
	baselines, err := filepath.Glob(filepath.Join(dir, "recorded", "*"))
	if err != nil {
		return fmt.Errorf("find baselines: %w", err)
	}
	if len(baselines) == 0 {
		fmt.Fprintf(out, "no baseline in %s: nothing to compare\n", filepath.Join(dir, "recorded"))
	}
	var all []error
	for _, folder := range baselines {
		found, err := compareWith(folder, today)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d findings\n", filepath.Base(folder), len(found))
		for _, finding := range found {
			all = append(all, fmt.Errorf("since %s: %s", filepath.Base(folder), finding))
		}
	}
	return errors.Join(all...)
}

func compareWith(folder string, today map[string]*apiextensionsv1.CustomResourceDefinition) ([]string, error) {
	recorded, err := readCRDs(folder)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(recorded)) {
		now, exists := today[name]
		if !exists {
			found = append(found, name+": was removed")
			continue
		}
		findings, err := compare(recorded[name], now)
		if err != nil {
			return nil, err
		}
		for _, finding := range findings {
			found = append(found, name+": "+finding)
		}
	}
	return found, nil
}

// readCRDs reads the CRDs of a folder, which must contain at least one.
func readCRDs(folder string) (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read CRDs: %w", err)
	}
	crds := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".yaml") {
			continue
		}
		crd, err := readCRD(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		crds[crd.Name] = crd
	}
	if len(crds) == 0 {
		return nil, fmt.Errorf("no CRD in %s", folder)
	}
	return crds, nil
}

func readCRD(file string) (*apiextensionsv1.CustomResourceDefinition, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CRD: %w", err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, crd); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	for _, version := range crd.Spec.Versions {
		if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			return nil, fmt.Errorf("read %s: version %s has no schema", file, version.Name)
		}
	}
	return crd, nil
}
