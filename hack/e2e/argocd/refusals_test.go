// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signet-dev/signet/internal/testing/proc"
)

// refuse installs a policy that denies writes of the resource in the namespace.
func refuse(resource string) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) { s.stopWrites(t, resource, refusingPolicy) }
}

// fail installs a webhook for writes of the resource in the namespace that does not
// answer.
func fail(resource string) func(*testing.T, testNamespace) {
	return func(t *testing.T, s testNamespace) { s.stopWrites(t, resource, failingWebhook) }
}

// stopWrites applies what stops writes, and waits until it does.
func (s testNamespace) stopWrites(t *testing.T, resource, yaml string) {
	t.Helper()
	s.apply(t, s.namespace, strings.NewReplacer("NAMESPACE", s.namespace, "RESOURCE", resource).Replace(yaml))
	write := []string{"create", "secret", "generic", "probe"}
	if resource != "secrets" {
		write = []string{"annotate", kindKey, "orders", "example.com/probe=true"}
	}
	proc.EventuallyLong(t, "writes to fail", func() error {
		if err := s.try(t.Context(), "", append(write, "--dry-run=server", "-n", s.namespace)...); err == nil {
			return fmt.Errorf("they succeed")
		}
		return nil
	})
}

const refusingPolicy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuse-RESOURCE}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], resources: [RESOURCE], operations: [CREATE, UPDATE]}
  validations: [{expression: "false", message: "no"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuse-RESOURCE}
spec:
  policyName: refuse-RESOURCE
  validationActions: [Deny]
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
`

const failingWebhook = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: fail-RESOURCE}
webhooks:
- name: fails.example.com
  admissionReviewVersions: [v1]
  clientConfig: {url: "https://127.0.0.1:1"}
  failurePolicy: Fail
  sideEffects: None
  timeoutSeconds: 1
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
  rules:
  - {apiGroups: ["*"], apiVersions: ["*"], resources: [RESOURCE], operations: [CREATE, UPDATE]}
`
