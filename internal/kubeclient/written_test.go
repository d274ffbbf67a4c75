// SPDX-License-Identifier: Apache-2.0

package kubeclient_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

func version(uid types.UID, resourceVersion string) *signetv1alpha1.SignatureKey {
	return &signetv1alpha1.SignatureKey{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", UID: uid, ResourceVersion: resourceVersion}}
}

// A cache that lags behind a write is overtaken by the response to it, and a cache that
// has caught up ends that.
func TestNewest(t *testing.T) {
	response := version("a", "20")
	for name, c := range map[string]struct {
		cached, seen *signetv1alpha1.SignatureKey
		written      bool
	}{
		"the cache lags":                     {cached: version("a", "10"), written: true},
		"the cache shows the response":       {cached: version("a", "20")},
		"the cache shows a newer version":    {cached: version("a", "30")},
		"the cache shows another object":     {cached: version("b", "10")},
		"a watch has shown the response":     {cached: version("a", "10"), seen: version("a", "20")},
		"a watch has shown another object":   {cached: version("b", "30"), seen: version("b", "30")},
		"a watch has shown a newer version":  {cached: version("a", "10"), seen: version("a", "25")},
		"a watch has shown an older version": {cached: version("a", "10"), seen: version("a", "15"), written: true},
	} {
		t.Run(name, func(t *testing.T) {
			written := kubeclient.NewWritten()
			written.Store(response)
			if c.seen != nil {
				isOld := c.seen.UID == response.UID && c.seen.ResourceVersion <= response.ResourceVersion
				if got := written.Seen(c.seen); got != isOld {
					t.Errorf("Seen = %t, want %t", got, isOld)
				}
			}
			if got := kubeclient.Newest(written, c.cached); (got == response) != c.written || (!c.written && got != c.cached) {
				t.Errorf("Newest is version %s of %s", got.ResourceVersion, got.UID)
			}
		})
	}
}
