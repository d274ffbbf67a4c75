// SPDX-License-Identifier: Apache-2.0

package keyplan

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// testNow is the time of every observation.
var testNow = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// testKey returns an HMAC key that Signet has not seen yet.
func testKey(options ...func(*signetv1alpha1.SignatureKey)) *signetv1alpha1.SignatureKey {
	key := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", UID: "key-uid", ResourceVersion: "10", Generation: 1},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
		Status:     signetv1alpha1.SignatureKeyStatus{ObservedGeneration: -1},
	}
	for _, option := range options {
		option(key)
	}
	return key
}
