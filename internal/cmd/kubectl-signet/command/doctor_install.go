// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const (
	installAction  = "install Signet: kubectl apply --server-side -k config/default"
	webhookService = "signet-webhook"
	// webhookAuthority is the Secret with the CA that the manager creates.
	webhookAuthority = "signet-webhook-ca"
	// leaseAge is the maximum age of a leader's last renewal. A leader renews every
	// few seconds; the rest allows for a difference of clocks.
	leaseAge = 2 * time.Minute
)

// crds reports whether the CRDs are installed with all fields of this version.
func (d *doctor) crds(ctx context.Context) []view.Finding {
	var findings []view.Finding
	for _, crd := range []struct {
		name   string
		object any
	}{
		{"signaturekeys.signet.dev", signetv1alpha1.SignatureKey{}},
		{"signaturebindings.signet.dev", signetv1alpha1.SignatureBinding{}},
	} {
		check := "CRD " + crd.name
		found := &unstructured.Unstructured{}
		found.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		if err := d.Get(ctx, client.ObjectKey{Name: crd.name}, found); err != nil {
			findings = append(findings, failure(check, err, installAction))
			continue
		}
		if missing := view.MissingFields(found, signetv1alpha1.GroupVersion.Version, crd.object); len(missing) > 0 {
			findings = append(findings, view.Finding{
				Check: check, Result: view.Failed, Message: "older than this plugin: lacks " + strings.Join(missing, ", "),
				Action: "apply the CRDs of this version",
			})
			continue
		}
		findings = append(findings, fine(check, "installed, with all fields of this version"))
	}
	return findings
}

// webhookNames are the names in the shipped configuration.
var webhookNames = []string{
	"signaturekeys.signet.dev", "signaturebindings.signet.dev", "signaturekey-deletions.signet.dev", "signature-sources.signet.dev",
}

// webhooks reports whether they are registered with a valid CA bundle.
func (d *doctor) webhooks(ctx context.Context) []view.Finding {
	const check, action = "webhooks", "see the manager's log: it writes the bundle while it runs"
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := d.Get(ctx, client.ObjectKey{Name: "signet"}, configuration); err != nil {
		return []view.Finding{failure(check, err, installAction)}
	}
	result, message := view.OK, ""
	missing := slices.Clone(webhookNames)
	for i := range configuration.Webhooks {
		webhook := &configuration.Webhooks[i]
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == webhook.Name })
		this, why := view.Bundle(webhook.ClientConfig.CABundle, time.Now())
		if this != view.OK {
			why = webhook.Name + ": " + why
		}
		if message == "" || this == view.Failed || this == view.Warning && result == view.OK {
			result, message = this, why
		}
	}
	switch {
	case len(missing) > 0:
		return []view.Finding{found(check, view.Failed, "the configuration lacks "+strings.Join(missing, ", "), installAction)}
	case result != view.OK:
		return []view.Finding{found(check, result, message, action)}
	case d.differsFromCA(ctx, configuration):
		return []view.Finding{found(check, view.Warning,
			"the CA bundle does not contain the manager's own CA (Secret "+webhookAuthority+")",
			"see the manager's log, unless you supply the certificates (--webhook-cert-dir)")}
	}
	return []view.Finding{fine(check, message)}
}

// differsFromCA reports whether the manager's CA exists but is not in the bundle.
// It is false for users who may not read the Secret: another check calls the
// webhooks.
func (d *doctor) differsFromCA(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration) bool {
	if _, injected := configuration.Annotations["cert-manager.io/inject-ca-from"]; injected {
		return false
	}
	secret := &corev1.Secret{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: webhookAuthority}, secret); err != nil {
		return false
	}
	return slices.ContainsFunc(configuration.Webhooks, func(webhook admissionregistrationv1.ValidatingWebhook) bool {
		return !view.Trusts(webhook.ClientConfig.CABundle, secret.Data[corev1.TLSCertKey])
	})
}

func (d *doctor) endpoints(ctx context.Context) []view.Finding {
	const check = "webhook endpoints"
	if address := d.webhookURL(ctx); address != "" {
		return []view.Finding{fine(check, "not used: the webhooks are called at "+address)}
	}
	var slices discoveryv1.EndpointSliceList
	err := d.List(ctx, &slices, client.InNamespace(d.system), client.MatchingLabels{discoveryv1.LabelServiceName: webhookService})
	if err != nil {
		return []view.Finding{failure(check, err, installAction)}
	}
	ready := 0
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				ready += len(endpoint.Addresses)
			}
		}
	}
	if ready == 0 {
		return []view.Finding{{
			Check: check, Result: view.Failed, Message: "Service " + webhookService + " has no ready endpoint: the API server cannot reach a manager",
			Action: fmt.Sprintf("see the manager's Pods in namespace %s", d.system),
		}}
	}
	return []view.Finding{fine(check, fmt.Sprintf("%d ready", ready))}
}

// webhookURL is the address of webhooks without a Service, such as those of a
// manager outside the cluster. It is empty if they have a Service.
func (d *doctor) webhookURL(ctx context.Context) string {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := d.Get(ctx, client.ObjectKey{Name: "signet"}, configuration); err != nil {
		return "" // the check of the webhooks reports it
	}
	address := ""
	for i := range configuration.Webhooks {
		called, err := url.Parse(ptr.Deref(configuration.Webhooks[i].ClientConfig.URL, ""))
		if err != nil || called.Host == "" {
			return ""
		}
		address = called.Scheme + "://" + called.Host
	}
	return address
}

// admission calls the webhooks in a dry run, which creates nothing.
func (d *doctor) admission(ctx context.Context) []view.Finding {
	const check = "admission"
	probe := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, GenerateName: "signet-doctor-"},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	err := d.Create(ctx, probe, client.DryRunAll)
	switch {
	case err == nil:
		return []view.Finding{fine(check, "accepts a key (dry run)")}
	case apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
		return []view.Finding{found(check, view.Failed, oneLine(err), "use an existing namespace (-n)")}
	case strings.Contains(err.Error(), "x509:"):
		return []view.Finding{failure(check, err, "the API server does not trust the manager: see webhooks above")}
	default:
		return []view.Finding{failure(check, err, "see the manager's Pods in namespace "+d.system+" and their logs: no key can be created or changed")}
	}
}

func (d *doctor) manager(ctx context.Context) []view.Finding {
	finding, _ := d.deployment(ctx, managerName, installAction)
	return []view.Finding{finding}
}

// deployment reports whether Pods are available, and returns the Deployment if it
// exists.
func (d *doctor) deployment(ctx context.Context, name, action string) (view.Finding, *appsv1.Deployment) {
	check := "Deployment " + name
	deployment := &appsv1.Deployment{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: name}, deployment); err != nil {
		return failure(check, err, action), nil
	}
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentAvailable && condition.Status == corev1.ConditionTrue {
			return fine(check, fmt.Sprintf("%d available", deployment.Status.AvailableReplicas)), deployment
		}
	}
	return found(check, view.Failed, "not available", "see its Pods in namespace "+d.system), deployment
}

// leader reports whether a manager reconciles keys and bindings.
func (d *doctor) leader(ctx context.Context) []view.Finding {
	const check = "leader"
	lease := &coordinationv1.Lease{}
	err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: managerName}, lease)
	if apierrors.IsNotFound(err) {
		return []view.Finding{found(check, view.Warning, "no lease exists: no manager has led yet",
			"see the manager's Pods in namespace "+d.system+", unless it runs without --leader-elect")}
	}
	if err != nil {
		return []view.Finding{failure(check, err, "")}
	}
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if renewed := lease.Spec.RenewTime; holder == "" || renewed == nil || time.Since(renewed.Time) > leaseAge {
		since := ""
		if renewed != nil {
			since = " since " + renewed.UTC().Format(time.RFC3339)
		}
		return []view.Finding{found(check, view.Failed, "no leader"+since+": no key or binding is reconciled",
			"see the manager's Pods in namespace "+d.system+" and their logs")}
	}
	return []view.Finding{fine(check, holder)}
}
