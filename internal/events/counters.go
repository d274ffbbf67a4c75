// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
)

// No label of these metrics is the name of an object: their number does not depend
// on the number of objects, and they reveal nothing about tenants.
var (
	transitionCount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_transitions_total",
		Help: "Number of Events, by kind of object, type of the Event and reason.",
	}, []string{"kind", "type", "reason"})
	failedWriteCount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_failed_writes_total",
		Help: "Number of writes that the API server has refused or that have failed otherwise, by verb, resource and reason.",
	}, []string{"verb", "resource", "reason"})
	readySeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "signet_ready_seconds",
		Help:    "Time from an object's creation until it was first Ready, in seconds, by kind.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900},
	}, []string{"kind"})
)

// writes are those that the controllers make. Their series exist from the start: the
// increase of one that begins with the first failure would be zero.
var writes = map[kubeclient.Verb][]string{
	kubeclient.VerbCreate: {"secrets", "configmaps"},
	kubeclient.VerbPatch:  {"secrets", "configmaps", "signaturekeys", "signaturekeys/status"},
	kubeclient.VerbUpdate: {"signaturebindings/status"},
}

func init() {
	metrics.Registry.MustRegister(transitionCount, failedWriteCount, readySeconds)
	for verb, resources := range writes {
		for _, resource := range resources {
			for _, reason := range []string{signetv1alpha1.ReasonWriteRefused, signetv1alpha1.ReasonWriteFailed} {
				failedWriteCount.WithLabelValues(string(verb), resource, reason)
			}
		}
	}
}

// kindOfObject returns the value of the label kind.
func kindOfObject(object client.Object) string {
	if _, binding := object.(*signetv1alpha1.SignatureBinding); binding {
		return "SignatureBinding"
	}
	return "SignatureKey"
}

// ObserveTimeToReady records how long an object took to become Ready for the first
// time. It does nothing for an object that has been Ready before, or whose spec has
// changed since it was created.
func ObserveTimeToReady(object client.Object, before, after []metav1.Condition, now time.Time) {
	const condition = signetv1alpha1.ConditionReady
	// A recovery from False does not count: the object may have been Ready before.
	was := meta.FindStatusCondition(before, condition)
	if meta.IsStatusConditionTrue(after, condition) && (was == nil || was.Status == metav1.ConditionUnknown) && object.GetGeneration() == 1 {
		readySeconds.WithLabelValues(kindOfObject(object)).Observe(now.Sub(object.GetCreationTimestamp().Time).Seconds())
	}
}

// CountFailedWrite counts a write that has failed. A conflict only counts if it persists:
// usually another attempt on a newer version resolves it. It does nothing for other
// errors.
func CountFailedWrite(err error, persists bool) {
	failed := (*kubeclient.WriteError)(nil)
	if errors.As(err, &failed) && (persists || !kubeclient.IsStale(err)) {
		failedWriteCount.WithLabelValues(string(failed.Verb), failed.Resource, failed.Reason).Inc()
	}
}
