// Command compat compares the CRDs of the released versions, kept in
// config/crd/released/<version>, with today's in config/crd/bases. It fails if
// anything was removed, or accepts less than it did. Printer columns are for
// people, and may come and go.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(filepath.Join("config", "crd"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

// run compares each released version under dir with the bases.
func run(dir string, out io.Writer) error {
	today, err := readCRDs(filepath.Join(dir, "bases"))
	if err != nil {
		return err
	}
	released, err := filepath.Glob(filepath.Join(dir, "released", "v*"))
	if err != nil {
		return fmt.Errorf("find released versions: %w", err)
	}
	if len(released) == 0 {
		fmt.Fprintf(out, "no version was released yet (%s is empty): nothing to compare\n", filepath.Join(dir, "released"))
	}
	var all []error
	for _, folder := range released {
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
	released, err := readCRDs(folder)
	if err != nil {
		return nil, err
	}
	var found []string
	for name, before := range released {
		now, there := today[name]
		if !there {
			found = append(found, name+": was removed")
			continue
		}
		for _, finding := range compare(before, now) {
			found = append(found, name+": "+finding)
		}
	}
	return found, nil
}

// readCRDs reads the CRDs of a folder, which has to have some.
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
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read CRD: %w", err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(content, crd); err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(folder, entry.Name()), err)
		}
		crds[crd.Name] = crd
	}
	if len(crds) == 0 {
		return nil, fmt.Errorf("no CRD in %s", folder)
	}
	return crds, nil
}
