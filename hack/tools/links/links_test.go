// SPDX-License-Identifier: Apache-2.0

package links

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	external = regexp.MustCompile(`^[a-z]+:`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinksLeadSomewhere follows every link of every page.
func TestLinksLeadSomewhere(t *testing.T) {
	pages := allPages(t)
	followed := 0
	for _, page := range pages {
		for _, target := range targets(read(t, page)) {
			followed++
			if err := follow(t, page, target); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if len(pages) < 10 || followed < 50 {
		t.Errorf("found only %d links on %d pages", followed, len(pages))
	}
}

// TestRootListsEveryPage keeps pages from becoming unreachable.
func TestRootListsEveryPage(t *testing.T) {
	listed := map[string]bool{"README.md": true}
	for _, target := range targets(read(t, "README.md")) {
		path, _, _ := strings.Cut(target, "#")
		listed[filepath.Clean(path)] = true
	}
	var missing []string
	for _, page := range allPages(t) {
		if !listed[page] && !strings.Contains(page, "testdata") {
			missing = append(missing, page)
		}
	}
	if len(missing) > 0 {
		t.Errorf("README.md does not link to %v", missing)
	}
}

// TestBrokenLinks shows that a broken link is found.
func TestBrokenLinks(t *testing.T) {
	for name, test := range map[string]struct{ target, want string }{
		"file":                {"nothing.md", `link to "nothing.md": no such file`},
		"heading":             {"DESIGN.md#nothing", `link to "DESIGN.md#nothing": no such heading`},
		"heading of the page": {"#nothing", `link to "#nothing": no such heading`},
		"good file":           {"config/samples", ""},
		"good heading":        {"DESIGN.md#10-invariants", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := follow(t, "README.md", test.target); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTargets(t *testing.T) {
	text := "[a](b.md) and [c](https://example.com)\n```sh\n[d](e.md)\n```\n[f](#g)\n"
	if diff := cmp.Diff([]string{"b.md", "#g"}, targets(text)); diff != "" {
		t.Error(diff)
	}
}

func TestAnchors(t *testing.T) {
	text := "# One `two`\n## A, b: [c](d)\n```\n# no\n```\n## One two\n"
	if diff := cmp.Diff([]string{"one-two", "a-b-c", "one-two-1"}, anchors(text)); diff != "" {
		t.Error(diff)
	}
}

// allPages are the paths of the repository's Markdown files, below the root.
func allPages(t *testing.T) []string {
	t.Helper()
	var pages []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "dist"}, entry.Name()):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			relative, err := filepath.Rel(root, path)
			pages = append(pages, relative)
			return err
		default:
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// targets are the links of a page to files and headings of this repository.
func targets(text string) []string {
	var found []string
	for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		if !external.MatchString(match[1]) {
			found = append(found, match[1])
		}
	}
	return found
}

func follow(t *testing.T, page, target string) error {
	t.Helper()
	path, fragment, _ := strings.Cut(target, "#")
	destination := page
	if path != "" {
		destination = filepath.Join(filepath.Dir(page), path)
	}
	if _, err := os.Stat(filepath.Join(root, destination)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("link to %q: no such file", target)
	} else if err != nil {
		return err
	}
	if fragment != "" && !slices.Contains(anchors(read(t, destination)), fragment) {
		return fmt.Errorf("link to %q: no such heading", target)
	}
	return nil
}

// anchors are the fragments by which GitHub links to the headings of a page.
func anchors(text string) []string {
	var found []string
	times := map[string]int{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(linkText.ReplaceAllString(match[1], "$1"))
		name = strings.ReplaceAll(dropped.ReplaceAllString(name, ""), " ", "-")
		anchor := name
		if times[name] > 0 {
			anchor = fmt.Sprintf("%s-%d", name, times[name])
		}
		times[name]++
		found = append(found, anchor)
	}
	return found
}
