// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/testing/proc"
)

const fieldManager = "signet-install"

// InstallOptions configure how the installation differs from the files.
type InstallOptions struct {
	// WebhookURL takes the place of the Service in webhook configurations, for a
	// manager that runs outside the cluster: https://127.0.0.1:9443.
	WebhookURL string
}

// Install applies a kustomization, or a folder of plain files with one, as
// `kubectl apply --server-side -k` does, and waits for its CRDs.
func (cp *ControlPlane) Install(ctx context.Context, dir string, options InstallOptions) error {
	objects, err := cp.Render(ctx, dir)
	if err != nil {
		return err
	}
	return cp.Apply(ctx, objects, options)
}

// GatewayAPICRDs returns the folder of the Gateway API's CRDs, in the version that
// the checkout depends on.
func GatewayAPICRDs(ctx context.Context) (string, error) {
	root, err := proc.Root()
	if err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	list.Dir = root
	module, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("find the module of the Gateway API: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(module)), "config", "crd", "standard"), nil
}

// Render returns the objects of a kustomization.
func (cp *ControlPlane) Render(ctx context.Context, dir string) ([]*unstructured.Unstructured, error) {
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, cp.Kubectl, "kustomize", dir)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("render %s: %w: %s", dir, err, problems.String())
	}
	return Decode(&out)
}

// Decode reads the objects of a YAML stream.
func Decode(stream io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(stream, 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read YAML: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Apply applies the objects and waits for the CRDs among them.
func (cp *ControlPlane) Apply(ctx context.Context, objects []*unstructured.Unstructured, options InstallOptions) error {
	c, err := client.New(cp.Config, client.Options{})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	for _, object := range objects {
		pointWebhooks(object, options.WebhookURL)
		apply := client.ApplyConfigurationFromUnstructured(object)
		var refused error
		err := proc.Until(ctx, proc.Soon, "the kind of "+object.GetKind()+" "+object.GetName(), func() error {
			refused = c.Apply(ctx, apply, client.FieldOwner(fieldManager), client.ForceOwnership)
			if meta.IsNoMatchError(refused) || apierrors.IsNotFound(refused) {
				return refused
			}
			return nil
		})
		if err == nil {
			err = refused
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return cp.waitForCRDs(ctx, c, objects)
}

// pointWebhooks puts a URL in place of the Service of each webhook.
func pointWebhooks(object *unstructured.Unstructured, url string) {
	if url == "" || object.GetKind() != "ValidatingWebhookConfiguration" {
		return
	}
	webhooks, _, _ := unstructured.NestedSlice(object.Object, "webhooks")
	for _, webhook := range webhooks {
		fields, ok := webhook.(map[string]any)
		if !ok {
			continue
		}
		path, _, _ := unstructured.NestedString(fields, "clientConfig", "service", "path")
		fields["clientConfig"] = map[string]any{"url": url + path}
	}
	_ = unstructured.SetNestedSlice(object.Object, webhooks, "webhooks")
}

func (cp *ControlPlane) waitForCRDs(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		now := object.DeepCopy()
		err := proc.Until(ctx, proc.Soon, "CRD "+object.GetName(), func() error {
			if err := c.Get(ctx, client.ObjectKeyFromObject(object), now); err != nil {
				return err
			}
			return established(now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func established(crd *unstructured.Unstructured) error {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	text, err := json.Marshal(conditions)
	if err != nil {
		return fmt.Errorf("read conditions: %w", err)
	}
	for _, condition := range conditions {
		if fields, ok := condition.(map[string]any); ok && fields["type"] == "Established" && fields["status"] == "True" {
			return nil
		}
	}
	return fmt.Errorf("not established: %s", text)
}
