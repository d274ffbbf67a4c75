// SPDX-License-Identifier: Apache-2.0

package material

import (
	"maps"
	"math"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// MoveFence changes the fencing token of a managed Secret or public ConfigMap, so
// that a write that was decided on an earlier version fails. A token that is not a
// number counts as zero.
func MoveFence(object metav1.Object) {
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	token, err := strconv.ParseInt(annotations[signetv1alpha1.AnnotationFencingToken], 10, 64)
	if err != nil || token == math.MaxInt64 {
		token = 0
	}
	annotations[signetv1alpha1.AnnotationFencingToken] = strconv.FormatInt(token+1, 10)
	object.SetAnnotations(annotations)
}
