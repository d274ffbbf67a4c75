// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"bufio"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/proc"
)

func testRotate(t *testing.T, w *fixture) {
	t.Run("watched", func(t *testing.T) { rotatesInSteps(t, w) })
	t.Run("again", func(t *testing.T) { refusesTheSameTrigger(t, w) })
	t.Run("nothing to rotate", func(t *testing.T) { rotatesNothing(t, w) })
	t.Run("revoke", func(t *testing.T) { rotatesAtOnce(t, w) })
	t.Run("interrupted", func(t *testing.T) { endsWhenInterrupted(t, w) })
}

// steps are the words that lines of progress begin with.
func steps(out string) []string {
	var found []string
	for line := range strings.Lines(out) {
		if step, _, named := strings.Cut(line, ": "); named && slices.Contains([]string{"Settled", "Staged", "Retiring"}, step) {
			found = append(found, step)
		}
	}
	return found
}

func rotatesInSteps(t *testing.T, w *fixture) {
	out, problems, code := w.signet(t, "rotate", "orders", "--trigger=first", "--watch", "-n", shop)
	if code != 0 {
		t.Fatalf("%d: %s%s", code, out, problems)
	}
	if got := strings.Join(steps(out), " "); got != "Settled Staged Retiring Settled" {
		t.Errorf("the steps are %q in\n%s", got, out)
	}
	if !strings.HasPrefix(out, `signaturekey.signet.dev/orders: spec.rotation.trigger changed to "first"`+"\n") ||
		!strings.HasSuffix(out, "The rotation is complete.\n") {
		t.Errorf("begins or ends otherwise:\n%s", out)
	}
	if want := `Hint: If this key is managed in Git, set spec.rotation.trigger: "first" there, too.`; !strings.Contains(problems, want) {
		t.Errorf("no %q in\n%s", want, problems)
	}
}

// refusesTheSameTrigger has nothing change, and does not say that it has.
func refusesTheSameTrigger(t *testing.T, w *fixture) {
	out, problems, code := w.signet(t, "rotate", "orders", "--trigger=first", "--watch", "-n", shop)
	const want = `error: spec.rotation.trigger of SignatureKey "orders" is already "first": use another --trigger` + "\n"
	if code != 1 || out != "" || problems != want {
		t.Errorf("got %d %q %q, want %q", code, out, problems, want)
	}
}

func rotatesNothing(t *testing.T, w *fixture) {
	_, problems, code := w.signet(t, "rotate", "payments", "--watch", "-n", shop)
	const want = "error: SignatureKey \"payments\" does not rotate: NothingToRotate: Both components are supplied, and only generated components are renewed. Change them in the source, or omit one\n"
	if code != 1 || !strings.HasSuffix(problems, want) {
		t.Errorf("got %d and\n%s\nwant\n%s", code, problems, want)
	}
}

func rotatesAtOnce(t *testing.T, w *fixture) {
	before := w.key(t, "orders").Status.KeyID
	out, problems, code := w.signet(t, "rotate", "orders", "--revoke", "--watch", "-n", shop)
	if code != 0 || !strings.HasSuffix(out, "The rotation is complete.\n") {
		t.Fatalf("%d: %s%s", code, out, problems)
	}
	if !strings.Contains(problems, "Warning: spec.rotation.revokeTrigger: The old version is dropped at once") {
		t.Errorf("no warning about requests that may fail:\n%s", problems)
	}
	versions := w.key(t, "orders").Status.Versions
	if len(versions) != 1 || versions[0].ID == before {
		t.Errorf("the versions are %v, and %s was active before", versions, before)
	}
}

func (w *fixture) key(t *testing.T, name string) *signetv1alpha1.SignatureKey {
	t.Helper()
	key := &signetv1alpha1.SignatureKey{}
	w.await(t, key, name, signetv1alpha1.ReasonReady)
	return key
}

// endsWhenInterrupted sends what Ctrl-C sends, in the middle of a stage that
// would last for a day.
func endsWhenInterrupted(t *testing.T, w *fixture) {
	w.apply(t, "apiVersion: signet.dev/v1alpha1\nkind: SignatureKey\nmetadata: {name: slow, namespace: shop}\nspec: {type: HMAC, rotation: {stageSeconds: 86400}}\n")
	w.key(t, "slow")
	cmd := w.command(t, "rotate", "slow", "--watch", "-n", shop)
	var problems strings.Builder
	cmd.Stderr = &problems
	output, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	// Without the line there would be no end to waiting for it.
	late := time.AfterFunc(proc.Soon, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Staged: ") {
		continue
	}
	interrupted := time.Now()
	must(t, cmd.Process.Signal(syscall.SIGINT))
	if code := exitCode(cmd.Wait()); code != 1 {
		t.Errorf("ended with %d", code)
	}
	if took := time.Since(interrupted); took > proc.Soon/4 {
		t.Errorf("took %s to end", took)
	}
	const want = "error: stopped watching, but the rotation continues: run kubectl get signaturekey slow -n shop --watch to see it\n"
	if !strings.HasSuffix(problems.String(), want) {
		t.Errorf("got %q, want %q", problems.String(), want)
	}
	w.kubectl(t, "delete", "signaturekey", "slow", "-n", shop, "--wait=false")
}
