// SPDX-License-Identifier: Apache-2.0

package events

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

func TestReadyIsNotedOnce(t *testing.T) {
	readySeconds.Reset()
	born := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	key := &signetv1alpha1.SignatureKey{}
	key.Generation = 1
	key.CreationTimestamp = metav1.NewTime(born)
	ready := func(status metav1.ConditionStatus) []metav1.Condition {
		return []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: status}}
	}
	ObserveTimeToReady(key, nil, ready(metav1.ConditionUnknown), born.Add(time.Second))
	ObserveTimeToReady(key, ready(metav1.ConditionUnknown), ready(metav1.ConditionTrue), born.Add(2*time.Second))
	ObserveTimeToReady(key, ready(metav1.ConditionTrue), ready(metav1.ConditionTrue), born.Add(3*time.Second))
	ObserveTimeToReady(key, ready(metav1.ConditionFalse), ready(metav1.ConditionTrue), born.Add(4*time.Second))
	if got := testutil.CollectAndCount(readySeconds); got != 1 {
		t.Fatalf("%d series", got)
	}
	text, err := testutil.CollectAndFormat(readySeconds, expfmt.TypeTextPlain, "signet_ready_seconds")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`signet_ready_seconds_sum{kind="SignatureKey"} 2`, `signet_ready_seconds_count{kind="SignatureKey"} 1`} {
		if !strings.Contains(string(text), line) {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
}
