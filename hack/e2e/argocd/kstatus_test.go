// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestKstatusAgrees compares kstatus, which Flux uses, with the scripts of Argo CD.
func TestKstatusAgrees(t *testing.T) {
	same := map[string]status.Status{
		"Healthy": status.CurrentStatus, "Progressing": status.InProgressStatus, "Degraded": status.FailedStatus,
	}
	for _, c := range healthCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			applyDefaults(t, c.Object)
			result, err := status.Compute(c.Object)
			if err != nil {
				t.Fatal(err)
			}
			if want := same[c.Want.Status]; result.Status != want {
				t.Errorf("kstatus: %s (%s), want %s for %s of Argo CD", result.Status, result.Message, want, c.Want.Status)
			}
		})
	}
}

// applyDefaults puts the schema's defaults into an object, as the API server
// does with each that it reads.
func applyDefaults(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	readYAML(t, filepath.Join("../../../config/crd/bases", "signet.dev_"+strings.ToLower(object.GetKind())+"s.yaml"), crd)
	properties := &apiextensions.JSONSchemaProps{}
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema, properties, nil)
	if err != nil {
		t.Fatal(err)
	}
	structural, err := schema.NewStructural(properties)
	if err != nil {
		t.Fatal(err)
	}
	defaulting.Default(object.Object, structural)
}
