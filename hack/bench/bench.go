// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

const (
	systemNamespace = "signet-system"
	managerAccount  = "signet-controller-manager"
	// storageQuota holds 2,000 Secrets of 1 MB and what the other parts leave.
	storageQuota = 8 << 30
)

// part is a group of measurements that can be run alone.
type part struct {
	name    string
	measure func(*bench, context.Context) error
}

// parts are in the order of a complete run. The last one leaves its objects.
var parts = []part{
	{"keys", (*bench).measureKeys},
	{"bindings", (*bench).measureBindings},
	{"rotation", (*bench).measureRotation},
	{"alone", (*bench).measureAlone},
	{"rivals", (*bench).measureRivals},
	{"unrelated", (*bench).measureUnrelated},
	{"admission", (*bench).measureAdmission},
	{"scale", (*bench).measureScale},
}

func partNames() []string {
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = part.name
	}
	return names
}

// bench is the state that the measurements share.
type bench struct {
	sizes
	report

	cluster     *controlplane.ControlPlane
	admin       client.WithWatch
	webhooks    string
	kubeconfigs map[string]string
	// created counts the namespaces, whose names are never used twice.
	created int
}

func newBench(s sizes) *bench { return &bench{sizes: s, kubeconfigs: map[string]string{}} }

func (b *bench) run(ctx context.Context, only []string) (err error) {
	if err := b.setUp(ctx); err != nil {
		return err
	}
	defer b.cluster.Stop()
	defer b.printTable()
	// Admission is served by a replica that does not lead, as in an installation with
	// two: what is measured is the work of the leader alone.
	standby, err := b.startStandby(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, standby.Stop()) }()
	for _, part := range parts {
		if len(only) > 0 && !slices.Contains(only, part.name) {
			continue
		}
		start := time.Now()
		if err := part.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		line("(%s took %.0f s)", part.name, time.Since(start).Seconds())
	}
	return nil
}

// setUp starts a control plane with config/default installed. The manager runs
// under its own role.
func (b *bench) setUp(ctx context.Context) (err error) {
	if b.cluster, err = controlplane.Start(ctx, controlplane.Options{StorageQuota: storageQuota}); err != nil {
		return fmt.Errorf("start control plane: %w", err)
	}
	if b.webhooks, err = proc.FindAddress(); err != nil {
		return err
	}
	install := controlplane.InstallOptions{WebhookURL: "https://" + b.webhooks}
	if err := b.cluster.Install(ctx, "config/default", install); err != nil {
		return fmt.Errorf("install config/default: %w", err)
	}
	scheme, err := manager.Scheme()
	if err != nil {
		return err
	}
	config := rest.CopyConfig(b.cluster.Config)
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{} // about taken slots, which are intended here
	if b.admin, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("create the administrator's client: %w", err)
	}
	own, err := b.cluster.ServiceAccountConfig(ctx, systemNamespace, managerAccount)
	if err != nil {
		return fmt.Errorf("request token of the manager: %w", err)
	}
	if err := errors.Join(b.allowBareLoop(ctx), b.holdLease(ctx), b.startGarbageCollector(ctx)); err != nil {
		return err
	}
	b.kubeconfigs[roleBare] = b.cluster.Kubeconfig
	b.kubeconfigs[roleManager] = b.cluster.Dir + "/manager.kubeconfig"
	return b.cluster.WriteKubeconfig(own, b.kubeconfigs[roleManager])
}

// startGarbageCollector starts kube-controller-manager when Signet's kinds are
// installed, so that it knows them at once.
func (b *bench) startGarbageCollector(ctx context.Context) error {
	if err := b.cluster.StartControllerManager(ctx); err != nil {
		return fmt.Errorf("start kube-controller-manager: %w", err)
	}
	owner := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "owner", "namespace": metav1.NamespaceDefault},
	}}
	return b.cluster.WaitForGarbageCollector(ctx, owner)
}

// allowBareLoop lets the bare loop, which works as the administrator, create Secrets
// of Signet's type: the policies are the same for both.
func (b *bench) allowBareLoop(ctx context.Context) error {
	self := &authenticationv1.SelfSubjectReview{}
	if err := b.admin.Create(ctx, self); err != nil {
		return fmt.Errorf("ask for the administrator's name: %w", err)
	}
	parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "signet-policy-parameters"}}
	patch := fmt.Sprintf(`{"data":{"users":%q}}`, self.Status.UserInfo.Username)
	if err := b.admin.Patch(ctx, parameters, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return fmt.Errorf("name the administrator in the policy's parameters: %w", err)
	}
	return nil
}

// holdLease takes the lease for the whole run, so that the replica that serves
// admission never leads. The measured managers run without leader election.
func (b *bench) holdLease(ctx context.Context) error {
	now := metav1.NowMicro()
	err := b.admin.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: managerAccount},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: ptr.To("bench"), LeaseDurationSeconds: ptr.To[int32](24 * 60 * 60), AcquireTime: &now, RenewTime: &now,
		},
	})
	if err != nil {
		return fmt.Errorf("take the lease: %w", err)
	}
	return nil
}

func (b *bench) admissionAnswers(ctx context.Context) error {
	probe := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: metav1.NamespaceDefault},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	return b.admin.Create(ctx, probe, client.DryRunAll)
}
