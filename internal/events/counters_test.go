// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
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

// A write that is refused is counted where no status can report it. A conflict is no
// refusal.
func TestFailedWritesAreCounted(t *testing.T) {
	failedWriteCount.Reset()
	secret, key := &corev1.Secret{}, &signetv1alpha1.SignatureKey{}
	forbidden := apierrors.NewForbidden(corev1.Resource("secrets"), "orders", errors.New("no"))
	conflict := apierrors.NewConflict(corev1.Resource("secrets"), "orders", errors.New("changed"))
	CountFailedWrite(kubeclient.FailedWrite(kubeclient.VerbCreate, forbidden, secret), false)
	CountFailedWrite(kubeclient.FailedWrite(kubeclient.VerbCreate, forbidden, secret), false)
	CountFailedWrite(fmt.Errorf("make room: %w", kubeclient.FailedStatusWrite(kubeclient.VerbPatch, errors.New("cut off"), key)), false)
	CountFailedWrite(kubeclient.FailedWrite(kubeclient.VerbPatch, conflict, secret), false)
	CountFailedWrite(kubeclient.FailedWrite(kubeclient.VerbPatch, nil, secret), false)
	CountFailedWrite(errors.New("read"), false)
	const want = `
# HELP signet_failed_writes_total Number of writes that the API server has refused or that have failed otherwise, by verb, resource and reason.
# TYPE signet_failed_writes_total counter
signet_failed_writes_total{reason="WriteFailed",resource="signaturekeys/status",verb="patch"} 1
signet_failed_writes_total{reason="WriteRefused",resource="secrets",verb="create"} 2
`
	if err := testutil.CollectAndCompare(failedWriteCount, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
