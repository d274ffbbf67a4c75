// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/kubeclient"
	"github.com/signet-dev/signet/internal/namespaces"
)

// No label of these metrics is the name of an object: the number of series is
// bounded, and they reveal nothing about tenants.
var (
	keysDesc = prometheus.NewDesc("signet_keys",
		"Number of SignatureKeys, by type and by status and reason of their condition Ready. Each replica reports what its caches show.",
		[]string{"type", "ready", "reason"}, nil)
	bindingsDesc = prometheus.NewDesc("signet_bindings",
		"Number of SignatureBindings, by status and reason of their condition Ready. Each replica reports what its caches show.",
		[]string{"ready", "reason"}, nil)
	apisDesc = prometheus.NewDesc("signet_apis",
		"Number of APIs that SignatureBindings list, by state: Bound, Conflicted, Standby, Pending, NotPublished, Offline.",
		[]string{"state"}, nil)
	overdueDesc = prometheus.NewDesc("signet_rotation_overdue_seconds",
		"Delay of the most overdue rotation, or step of a rotation, in seconds; 0 if none is overdue.", nil, nil)
	oldestDesc = prometheus.NewDesc("signet_rotation_oldest_material_seconds",
		"Age of the oldest active material among the SignatureKeys with spec.rotation.intervalDays, in seconds.", nil, nil)
)

const servedMetric = "signet_namespace_served"

// stateCollector counts the keys and bindings in the caches by state, at the time
// of the scrape.
type stateCollector struct {
	reader client.Reader
	clock  clock.PassiveClock
}

// RegisterStateCollector adds the counts of keys and bindings to the metrics of
// this process.
func RegisterStateCollector(reader client.Reader, clock clock.PassiveClock) error {
	return register(&stateCollector{reader: reader, clock: clock})
}

// addMetrics adds what the caches show, and which namespaces are served, to the metrics of
// this process.
func addMetrics(mgr ctrl.Manager, options Options, served *namespaces.Cache) error {
	if err := RegisterStateCollector(mgr.GetClient(), clock.RealClock{}); err != nil {
		return err
	}
	if served != nil {
		return register(served.Collector(servedMetric))
	}
	clients, err := kubernetes.NewForConfig(mgr.GetConfig())
	if err != nil {
		return fmt.Errorf("create client for the check of permissions: %w", err)
	}
	everywhere := &namespaces.Everywhere{
		Review: func(ctx context.Context) error { return kubeclient.ReviewAccess(ctx, clients, options.permissions()) },
		Logger: mgr.GetLogger(), Clock: clock.RealClock{},
	}
	if err := mgr.Add(everywhere); err != nil {
		return fmt.Errorf("add the check of permissions: %w", err)
	}
	return register(everywhere.Collector(servedMetric))
}

// register adds a collector. It replaces that of a manager that ran before.
func register(collector prometheus.Collector) error {
	err := metrics.Registry.Register(collector)
	if known := (prometheus.AlreadyRegisteredError{}); errors.As(err, &known) {
		metrics.Registry.Unregister(known.ExistingCollector)
		err = metrics.Registry.Register(collector)
	}
	if err != nil {
		return fmt.Errorf("register collector: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{keysDesc, bindingsDesc, apisDesc, overdueDesc, oldestDesc} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector. It reports nothing while the caches
// are not synced.
func (c *stateCollector) Collect(samples chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.collectKeys(ctx, samples)
	c.collectBindings(ctx, samples)
}

func (c *stateCollector) collectKeys(ctx context.Context, samples chan<- prometheus.Metric) {
	var keys signetv1alpha1.SignatureKeyList
	if err := c.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	type state struct{ keyType, ready, reason string }
	counts := map[state]int{}
	var overdue, oldest time.Duration
	now := c.clock.Now()
	for i := range keys.Items {
		key := &keys.Items[i]
		ready, reason := readyState(key.Status.Conditions)
		counts[state{string(key.Spec.Type), ready, reason}]++
		overdue = max(overdue, lateness(key, now))
		if last := key.Status.LastRotationTime; last != nil && key.Spec.Rotation != nil && key.Spec.Rotation.IntervalDays != nil {
			oldest = max(oldest, now.Sub(last.Time))
		}
	}
	for s, count := range counts {
		samples <- gauge(keysDesc, float64(count), s.keyType, s.ready, s.reason)
	}
	samples <- gauge(overdueDesc, overdue.Seconds())
	samples <- gauge(oldestDesc, oldest.Seconds())
}

// lateness returns by how much a key's rotation is overdue: its start, the switch
// to the next version, or the removal of the previous one. After a restart the
// manager observes a stage from its beginning, so that a stage is only late after
// twice its time.
func lateness(key *signetv1alpha1.SignatureKey, now time.Time) time.Duration {
	var late time.Duration
	if next := key.Status.NextRotationTime; next != nil {
		late = now.Sub(next.Time)
	}
	for i := range key.Status.Versions {
		switch version := &key.Status.Versions[i]; {
		case version.State == signetv1alpha1.VersionNext && version.Created != nil:
			late = max(late, now.Sub(version.Created.Add(2*key.EffectiveStage())))
		case version.State == signetv1alpha1.VersionPrevious && version.Retires != nil:
			late = max(late, now.Sub(version.Retires.Time))
		}
	}
	return late
}

func (c *stateCollector) collectBindings(ctx context.Context, samples chan<- prometheus.Metric) {
	var bindings signetv1alpha1.SignatureBindingList
	if err := c.reader.List(ctx, &bindings, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	type state struct{ ready, reason string }
	counts, apis := map[state]int{}, map[signetv1alpha1.APIState]int{}
	for _, known := range []signetv1alpha1.APIState{
		signetv1alpha1.APIBound, signetv1alpha1.APIConflicted, signetv1alpha1.APIStandby, signetv1alpha1.APIPending,
		signetv1alpha1.APINotPublished, signetv1alpha1.APIOffline,
	} {
		apis[known] = 0
	}
	for i := range bindings.Items {
		binding := &bindings.Items[i]
		ready, reason := readyState(binding.Status.Conditions)
		counts[state{ready, reason}]++
		for j := range binding.Status.APIs {
			apis[binding.Status.APIs[j].State]++
		}
	}
	for s, count := range counts {
		samples <- gauge(bindingsDesc, float64(count), s.ready, s.reason)
	}
	for s, count := range apis {
		samples <- gauge(apisDesc, float64(count), string(s))
	}
}

// readyState returns status and reason of Ready: Unknown and Pending for an
// object that has not been reconciled yet.
func readyState(conditions []metav1.Condition) (status, reason string) {
	condition := meta.FindStatusCondition(conditions, signetv1alpha1.ConditionReady)
	if condition == nil {
		return string(metav1.ConditionUnknown), "Pending"
	}
	return string(condition.Status), condition.Reason
}

func gauge(description *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
}
