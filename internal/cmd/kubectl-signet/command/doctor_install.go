package command

import (
	"context"
	"fmt"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
)

const (
	installAction  = "install Signet: kubectl apply --server-side -k config/default"
	webhookService = "signet-webhook"
)

// crds says whether the CRDs are there and know all fields of this version.
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
				Check: check, Verdict: view.Failed, Message: "older than this plugin, it lacks " + strings.Join(missing, ", "),
				Action: "apply the CRDs of this version",
			})
			continue
		}
		findings = append(findings, fine(check, "there, with all fields of this version"))
	}
	return findings
}

// webhooks says whether they are registered, and trusted to answer.
func (d *doctor) webhooks(ctx context.Context) []view.Finding {
	const check = "webhooks"
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := d.Get(ctx, client.ObjectKey{Name: "signet"}, configuration); err != nil {
		return []view.Finding{failure(check, err, installAction)}
	}
	verdict, message := view.OK, ""
	if len(configuration.Webhooks) == 0 {
		verdict, message = view.Failed, "the configuration has no webhook"
	}
	for i := range configuration.Webhooks {
		webhook := &configuration.Webhooks[i]
		this, why := view.Bundle(webhook.ClientConfig.CABundle, time.Now())
		if message == "" || this == view.Failed || this == view.Warning && verdict == view.OK {
			verdict, message = this, webhook.Name+": "+why
		}
	}
	finding := view.Finding{Check: check, Verdict: verdict, Message: message}
	if verdict != view.OK {
		finding.Action = "the manager writes the bundle: see its log"
	}
	return []view.Finding{finding}
}

func (d *doctor) endpoints(ctx context.Context) []view.Finding {
	const check = "webhook endpoints"
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
			Check: check, Verdict: view.Failed, Message: "Service " + webhookService + " has no ready endpoint",
			Action: fmt.Sprintf("see the manager's Pods in namespace %s", d.system),
		}}
	}
	return []view.Finding{fine(check, fmt.Sprintf("%d ready", ready))}
}

// admission has the webhooks answer: a dry run creates nothing.
func (d *doctor) admission(ctx context.Context) []view.Finding {
	const check = "admission answers"
	probe := &signetv1alpha1.SignatureKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, GenerateName: "signet-doctor-"},
		Spec:       signetv1alpha1.SignatureKeySpec{Type: signetv1alpha1.KeyTypeHMAC},
	}
	if err := d.Create(ctx, probe, client.DryRunAll); err != nil {
		return []view.Finding{failure(check, err, "no key can be made: see the manager's Pods and their log")}
	}
	return []view.Finding{fine(check, "a key is accepted (dry run)")}
}

func (d *doctor) deployments(ctx context.Context) []view.Finding {
	manager := d.deployment(ctx, "signet-controller-manager", installAction)
	signer := d.deployment(ctx, "signet-signer", "")
	if signer.Verdict == view.Failed && signer.Message == "not there" {
		signer.Verdict, signer.Message = view.Warning, "not there: nothing signs, unless it runs elsewhere"
	}
	return []view.Finding{manager, signer}
}

func (d *doctor) deployment(ctx context.Context, name, action string) view.Finding {
	check := "Deployment " + name
	deployment := &appsv1.Deployment{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: name}, deployment); err != nil {
		return failure(check, err, action)
	}
	for _, condition := range deployment.Status.Conditions {
		if condition.Type == appsv1.DeploymentAvailable && condition.Status == corev1.ConditionTrue {
			return fine(check, fmt.Sprintf("%d available", deployment.Status.AvailableReplicas))
		}
	}
	return view.Finding{Check: check, Verdict: view.Failed, Message: "not available", Action: "see its Pods in namespace " + d.system}
}

// policy says whether managed Secrets are guarded.
func (d *doctor) policy(ctx context.Context) []view.Finding {
	const check, name = "policy on managed Secrets", "signet-managed-secrets"
	const action = "apply config/policy: without it, anybody with write access to Secrets changes material"
	for _, object := range []client.Object{
		&admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{},
	} {
		if err := d.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
			return []view.Finding{failure(check, err, action)}
		}
	}
	parameters := &corev1.ConfigMap{}
	err := d.Get(ctx, client.ObjectKey{Namespace: d.system, Name: "signet-policy-parameters"}, parameters)
	if apierrors.IsNotFound(err) {
		return []view.Finding{{
			Check: check, Verdict: view.Failed, Action: action,
			Message: "ConfigMap signet-policy-parameters is not there, and without it the policy is off",
		}}
	}
	if err != nil {
		return []view.Finding{failure(check, err, action)}
	}
	return []view.Finding{fine(check, "bound")}
}
