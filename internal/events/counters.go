// SPDX-License-Identifier: Apache-2.0

package events

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// No label of these metrics is an object's name: their number is known
// beforehand, and they reveal nothing about tenants.
var (
	transitionCount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_transitions_total",
		Help: "Transitions that Events were sent of, by the kind of object, the type of the Event and its reason.",
	}, []string{"kind", "type", "reason"})
	readySeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "signet_ready_seconds",
		Help:    "Time from an object's creation until it was first Ready, in seconds, by kind.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900},
	}, []string{"kind"})
)

func init() { metrics.Registry.MustRegister(transitionCount, readySeconds) }

// kindOfObject is the value of the label kind.
func kindOfObject(object client.Object) string {
	if _, binding := object.(*signetv1alpha1.SignatureBinding); binding {
		return "SignatureBinding"
	}
	return "SignatureKey"
}

// ObserveTimeToReady observes how long an object took to become Ready. Who was Ready
// before has been observed.
func ObserveTimeToReady(object client.Object, before, after []metav1.Condition, now time.Time) {
	const condition = signetv1alpha1.ConditionReady
	// A wait that ends, or a first status: later recoveries are no birth.
	was := meta.FindStatusCondition(before, condition)
	if meta.IsStatusConditionTrue(after, condition) && (was == nil || was.Status == metav1.ConditionUnknown) && object.GetGeneration() == 1 {
		readySeconds.WithLabelValues(kindOfObject(object)).Observe(now.Sub(object.GetCreationTimestamp().Time).Seconds())
	}
}
