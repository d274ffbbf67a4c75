// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/gen"
)

func newFakeClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := signetv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func TestCensus(t *testing.T) {
	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	settled := []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready"}}
	in := gen.InNamespace("shop")
	binding := gen.SignatureBinding("orders", "orders", in)
	binding.Status.APIs = []signetv1alpha1.APIStatus{{State: signetv1alpha1.APIBound}, {State: signetv1alpha1.APIConflicted}, {State: signetv1alpha1.APIBound}}
	binding.Status.Conditions = []metav1.Condition{{Type: signetv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Conflicted"}}
	store := newFakeClient(t,
		gen.SignatureKey("new", in),
		gen.SignatureKey("scheduled", in, gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) {
			key.Spec.Rotation = &signetv1alpha1.Rotation{IntervalDays: ptr.To[int32](90)}
			key.Status.LastRotationTime = &metav1.Time{Time: now.Add(-90*24*time.Hour - time.Minute)}
			key.Status.NextRotationTime = &metav1.Time{Time: now.Add(-time.Minute)}
			key.Status.Conditions = settled
		})),
		gen.SignatureKey("old", in, gen.KeyFunc(func(key *signetv1alpha1.SignatureKey) {
			key.Status.LastRotationTime = &metav1.Time{Time: now.Add(-1000 * 24 * time.Hour)}
			key.Status.Conditions = settled
		})),
		binding,
	)
	want := `
# HELP signet_apis Number of APIs that SignatureBindings list, by state: Bound, Conflicted, Standby, Pending, NotPublished, Offline.
# TYPE signet_apis gauge
signet_apis{state="Bound"} 2
signet_apis{state="Conflicted"} 1
signet_apis{state="NotPublished"} 0
signet_apis{state="Offline"} 0
signet_apis{state="Pending"} 0
signet_apis{state="Standby"} 0
# HELP signet_bindings Number of SignatureBindings, by status and reason of their condition Ready. Each replica reports what its caches show.
# TYPE signet_bindings gauge
signet_bindings{ready="False",reason="Conflicted"} 1
# HELP signet_keys Number of SignatureKeys, by type and by status and reason of their condition Ready. Each replica reports what its caches show.
# TYPE signet_keys gauge
signet_keys{ready="True",reason="Ready",type="HMAC"} 2
signet_keys{ready="Unknown",reason="Pending",type="HMAC"} 1
# HELP signet_rotation_oldest_material_seconds Age of the oldest active material among the SignatureKeys with spec.rotation.intervalDays, in seconds.
# TYPE signet_rotation_oldest_material_seconds gauge
signet_rotation_oldest_material_seconds 7.77606e+06
# HELP signet_rotation_overdue_seconds Delay of the most overdue rotation, or step of a rotation, in seconds; 0 if none is overdue.
# TYPE signet_rotation_overdue_seconds gauge
signet_rotation_overdue_seconds 60
`
	counts := &stateCollector{reader: store, clock: clocktesting.NewFakePassiveClock(now)}
	if err := testutil.CollectAndCompare(counts, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestLateness(t *testing.T) {
	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	ago := func(past time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-past)} }
	next := func(created *metav1.Time) signetv1alpha1.KeyVersion {
		return signetv1alpha1.KeyVersion{State: signetv1alpha1.VersionNext, Created: created}
	}
	cases := map[string]struct {
		status signetv1alpha1.SignatureKeyStatus
		want   time.Duration
	}{
		"nothing is due":      {signetv1alpha1.SignatureKeyStatus{}, 0},
		"a schedule is late":  {signetv1alpha1.SignatureKeyStatus{NextRotationTime: ago(time.Minute)}, time.Minute},
		"a schedule is ahead": {signetv1alpha1.SignatureKeyStatus{NextRotationTime: ago(-time.Minute)}, -time.Minute},
		"a switch is late": {signetv1alpha1.SignatureKeyStatus{
			NextRotationTime: ago(-time.Hour), Versions: []signetv1alpha1.KeyVersion{{State: signetv1alpha1.VersionActive, Created: ago(time.Hour)}, next(ago(10 * time.Minute))},
		}, 6 * time.Minute},
		"a stage is observed again": {signetv1alpha1.SignatureKeyStatus{Versions: []signetv1alpha1.KeyVersion{next(ago(3 * time.Minute))}}, 0},
		"a stage is under way":      {signetv1alpha1.SignatureKeyStatus{Versions: []signetv1alpha1.KeyVersion{next(ago(time.Minute))}}, 0},
		"a previous version has stayed": {signetv1alpha1.SignatureKeyStatus{
			Versions: []signetv1alpha1.KeyVersion{{State: signetv1alpha1.VersionPrevious, Created: ago(time.Hour), Retires: ago(5 * time.Minute)}},
		}, 5 * time.Minute},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := lateness(&signetv1alpha1.SignatureKey{Status: tc.status}, now); got != tc.want {
				t.Errorf("lateness = %s, want %s", got, tc.want)
			}
		})
	}
}
