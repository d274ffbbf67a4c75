// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// NewestRelease is the newest tag v… of the checkout at root.
func NewestRelease(ctx context.Context, root string) (string, error) {
	tags, err := git(ctx, root, "-c", "versionsort.suffix=-", "tag", "--list", "v*", "--sort=-version:refname")
	if err != nil {
		return "", err
	}
	if newest, _, _ := strings.Cut(tags, "\n"); newest != "" {
		return newest, nil
	}
	if shallow(ctx, root) {
		return "", errors.New("no tag v… in this shallow clone: get the history with `git fetch --unshallow --tags`, or set FROM to a commit of this clone")
	}
	return "", errors.New("no tag v… to upgrade from: set FROM=COMMIT")
}

// Export writes the files of a commit into a folder.
func Export(ctx context.Context, root, commit, dir string) error {
	if _, err := git(ctx, root, "rev-parse", "--verify", "--quiet", "--end-of-options", commit+"^{commit}"); err != nil {
		if shallow(ctx, root) {
			return fmt.Errorf("the commit %q is not in this shallow clone: get the history with `git fetch --unshallow --tags`", commit)
		}
		return fmt.Errorf("no commit %q", commit)
	}
	archive := exec.CommandContext(ctx, "git", "-C", root, "archive", "--format=tar", commit)
	files, err := archive.Output()
	if err != nil {
		return fmt.Errorf("export %s: %w", commit, err)
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(files)
	if output, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", commit, err, output)
	}
	return nil
}

func shallow(ctx context.Context, root string) bool {
	answer, err := git(ctx, root, "rev-parse", "--is-shallow-repository")
	return err == nil && answer == "true"
}

func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(output)), nil
}
