// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signet-dev/signet/internal/testing/gen"
)

// A cache that has compacted Secret and ConfigMap leads to the same plan, unless that
// removes or replaces what the cache does not have.
func TestPlanOfCompactedObjects(t *testing.T) {
	for _, table := range []map[string]planCase{
		generationCases, sourceCases, conflictCases, lossCases, deletionCases, adoptionCases, ownershipCases,
		rotationCases, publicCases, protectionCases, metadataCases, refusalCases,
	} {
		for name, c := range table {
			compacted := deepCopy(c.observation)
			for _, secret := range []*corev1.Secret{compacted.Secret, compacted.Source} {
				if secret != nil {
					CompactSecret(secret)
				}
			}
			if compacted.Public != nil {
				CompactConfigMap(compacted.Public)
			}
			got, err := Compute(compacted, testNow, &testRandom{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want.Status, got.Status, anyOrder); diff != "" {
				t.Errorf("%s: status (-whole +compacted):\n%s", name, diff)
			}
			if (c.want.Secret == nil) != (got.Secret == nil) || (c.want.Public == nil) != (got.Public == nil) || c.want.Protection != got.Protection {
				t.Errorf("%s: other writes", name)
			}
		}
	}
}

func TestCompactedSizeIsBounded(t *testing.T) {
	text := strings.Repeat("a", 200<<10)
	secret := gen.ManagedSecret(testKey(), map[string][]byte{"secret": []byte(text), "other": []byte(text)})
	secret.Annotations = map[string]string{"example.com/note": text, annotationTemplate: "annotation:kept", "kept": text}
	for i := range 1000 {
		secret.Labels[fmt.Sprintf("example.com/%d", i)] = "a"
		secret.OwnerReferences = append(secret.OwnerReferences, metav1.OwnerReference{Name: "web"})
	}
	CompactSecret(secret)
	if size := secret.Size(); size > 12<<10 {
		t.Errorf("%d bytes are kept", size)
	}
	secret.Annotations = map[string]string{annotationTemplate: text}
	CompactSecret(secret)
	if len(secret.Annotations) > 0 {
		t.Error("a record that is too long is kept")
	}
}
