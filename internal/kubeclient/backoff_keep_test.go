// SPDX-License-Identifier: Apache-2.0

package kubeclient

import "testing"

// A request that ends because it has to wait has not succeeded.
func TestBackoffOfARequestThatWaits(t *testing.T) {
	b, request := NewBackoff(), requestIn("shop", 1)
	first := b.When(request)
	b.Keep(request)
	b.Forget(request)
	if second := b.When(request); second != 2*first {
		t.Errorf("the delay after %s is %s", first, second)
	}
	b.Forget(request)
	if again := b.When(request); again != first {
		t.Errorf("the delay after a success is %s", again)
	}
	b.Forget(request)
	b.Keep(request) // without a failure there is nothing to keep
	if b.When(request); len(b.kept) != 0 {
		t.Error("a request without failures is kept")
	}
}
