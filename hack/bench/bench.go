// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// bench is the state that the measurements share.
type bench struct {
	sizes

	cluster     *controlplane.ControlPlane
	admin       client.WithWatch
	webhooks    string
	kubeconfigs map[string]string
}

func newBench(s sizes) *bench { return &bench{sizes: s, kubeconfigs: map[string]string{}} }

func (b *bench) run(ctx context.Context) (err error) {
	if err := b.setUp(ctx); err != nil {
		return err
	}
	defer b.cluster.Stop()
	for _, measure := range []func(context.Context) error{
		b.measureKeys, b.measureBindings, b.measureMemory, b.measureAdmission,
	} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setUp starts a control plane with config/default installed. The manager runs
// under its own role.
func (b *bench) setUp(ctx context.Context) (err error) {
	if b.cluster, err = controlplane.Start(ctx, controlplane.Options{}); err != nil {
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
	own, err := b.cluster.ServiceAccountConfig(ctx, "signet-system", "signet-controller-manager")
	if err != nil {
		return fmt.Errorf("request token of the manager: %w", err)
	}
	if err := b.allowBareLoop(ctx); err != nil {
		return err
	}
	b.kubeconfigs[roleBare] = b.cluster.Kubeconfig
	b.kubeconfigs[roleManager] = b.cluster.Dir + "/manager.kubeconfig"
	return b.cluster.WriteKubeconfig(own, b.kubeconfigs[roleManager])
}

// allowBareLoop lets the bare loop, which works as the administrator, create Secrets
// of Signet's type: the policies are the same for both.
func (b *bench) allowBareLoop(ctx context.Context) error {
	self := &authenticationv1.SelfSubjectReview{}
	if err := b.admin.Create(ctx, self); err != nil {
		return fmt.Errorf("ask for the administrator's name: %w", err)
	}
	parameters := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "signet-system", Name: "signet-policy-parameters"}}
	patch := fmt.Sprintf(`{"data":{"users":%q}}`, self.Status.UserInfo.Username)
	if err := b.admin.Patch(ctx, parameters, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return fmt.Errorf("name the administrator in the policy's parameters: %w", err)
	}
	return nil
}

func (b *bench) namespace(ctx context.Context, name string) error {
	err := b.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if err != nil {
		return fmt.Errorf("create namespace %s: %w", name, err)
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

// createAll creates objects with several writers, as a GitOps tool does.
func (b *bench) createAll(ctx context.Context, objects []client.Object) error {
	const writers = 8
	failed := make(chan error, writers)
	for writer := range writers {
		go func() {
			for i := writer; i < len(objects); i += writers {
				if err := b.admin.Create(ctx, objects[i]); err != nil {
					failed <- fmt.Errorf("create %s: %w", objects[i].GetName(), err)
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range writers {
		err = errors.Join(err, <-failed)
	}
	return err
}

// isReady reports whether an object is Ready.
func isReady(object client.Object) bool {
	var conditions []metav1.Condition
	switch object := object.(type) {
	case *signetv1alpha1.SignatureKey:
		conditions = object.Status.Conditions
	case *signetv1alpha1.SignatureBinding:
		conditions = object.Status.Conditions
	}
	return slices.ContainsFunc(conditions, func(c metav1.Condition) bool {
		return c.Type == signetv1alpha1.ConditionReady && c.Status == metav1.ConditionTrue
	})
}

// apply creates the objects at once and returns the time until a watch has seen
// all of them Ready.
func (b *bench) apply(ctx context.Context, namespace string, list client.ObjectList, objects []client.Object) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := b.admin.Watch(ctx, list, client.InNamespace(namespace))
	if err != nil {
		return 0, fmt.Errorf("watch: %w", err)
	}
	defer events.Stop()
	start := time.Now()
	created := make(chan error, 1)
	go func() { created <- b.createAll(ctx, objects) }()
	ready := map[string]bool{}
	for len(ready) < len(objects) {
		select {
		case event, open := <-events.ResultChan():
			if !open {
				return 0, fmt.Errorf("the watch ended with %d of %d ready", len(ready), len(objects))
			}
			if object, ok := event.Object.(client.Object); ok && isReady(object) {
				ready[object.GetName()] = true
			}
		case err := <-created:
			if err != nil {
				return 0, err
			}
			created = nil
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d are ready: %w", len(ready), len(objects), ctx.Err())
		}
	}
	return time.Since(start), nil
}
