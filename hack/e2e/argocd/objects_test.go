// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"strings"
)

const appProject = `
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default, namespace: argocd}
spec:
  sourceRepos: ['*']
  destinations: [{namespace: '*', server: '*'}]
  clusterResourceWhitelist: [{group: '*', kind: '*'}]
`

// applicationManifest follows REPOSITORY, and tries nothing a second time.
const applicationManifest = `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: NAME, namespace: argocd}
spec:
  project: default
  source: {repoURL: 'file://REPOSITORY', path: '.', targetRevision: main}
  destination: {server: 'https://kubernetes.default.svc', namespace: NAME}
  syncPolicy:
    automated: {prune: true, selfHeal: true, allowEmpty: true}
    syncOptions: [OPTIONS]
    retry: {limit: 0}
`

const source = `
apiVersion: v1
kind: Secret
metadata: {name: payments-own, labels: {signet.dev/signature-material: "true"}}
stringData: {key: payments_app, secret: example-only-Zt8Kq2Wn5Rb7}
`

// stray carries the tracking of Argo CD, but is not in the repository.
const stray = `
apiVersion: v1
kind: Secret
metadata: {name: stray, annotations: {argocd.argoproj.io/tracking-id: 'shop:/Secret:shop/stray'}}
`

// gateway is the platform's, and not in the repository.
const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, labels: {signet.dev/environment: RELEASE}}
spec:
  gatewayClassName: example
  listeners: [{name: http, protocol: HTTP, port: 80}]
`

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: orders, port: 8080}]}]
`

// accepted is what a gateway controller writes into the route's status.
const accepted = `{"status":{"parents":[{"parentRef":{"name":"edge"},"controllerName":"example.com/gateway","conditions":[
{"type":"Accepted","status":"True","reason":"Accepted","message":"","observedGeneration":1,"lastTransitionTime":"2026-11-22T10:00:00Z"},
{"type":"ResolvedRefs","status":"True","reason":"ResolvedRefs","message":"","observedGeneration":1,"lastTransitionTime":"2026-11-22T10:00:00Z"}]}]}}`

// key is an HMAC key; more is added to its spec.
func key(name, more string) string {
	return "apiVersion: signet.dev/v1alpha1\nkind: SignatureKey\nmetadata: {name: " + name + "}\nspec: {type: HMAC" + more + "}\n"
}

// binding binds a key to APIs, each written as kind/name.
func binding(name, key string, apis ...string) string {
	var list []string
	for _, api := range apis {
		kind, name, _ := strings.Cut(api, "/")
		group := "gateway.networking.k8s.io"
		if kind == "API" {
			group = "signet.dev"
		}
		list = append(list, "{group: "+group+", kind: "+kind+", name: "+name+"}")
	}
	return "apiVersion: signet.dev/v1alpha1\nkind: SignatureBinding\nmetadata: {name: " + name +
		"}\nspec: {keyRef: {name: " + key + "}, environment: RELEASE, apis: [" + strings.Join(list, ", ") + "]}\n"
}

// inWave puts an object into a sync wave; none for zero.
func inWave(wave int, object string) string {
	if wave == 0 {
		return object
	}
	return strings.Replace(object, "metadata: {", fmt.Sprintf("metadata: {annotations: {argocd.argoproj.io/sync-wave: \"%d\"}, ", wave), 1)
}

func publicKey(name, more string) string {
	return strings.Replace(key(name, more), "type: HMAC", "type: PublicKey", 1)
}

// invalidSource ends in a newline: the usual mistake.
const invalidSource = `
apiVersion: v1
kind: Secret
metadata: {name: orders-own, labels: {signet.dev/signature-material: "true"}}
stringData: {secret: "example-only-Zt8Kq2Wn5Rb7\n"}
`

// keepKeysPolicy refuses that keys of a namespace be deleted.
const keepKeysPolicy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: keep-keys}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [signet.dev], apiVersions: ['*'], resources: [signaturekeys], operations: [DELETE]}]
  validations: [{expression: 'false', message: keys are kept here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: keep-keys}
spec:
  policyName: keep-keys
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}}
`

// Specs that break a rule: admission and the CRDs reject both.
var (
	invalidKey     = key("orders", `, identifier: "no good?"`)
	invalidBinding = strings.Replace(binding("orders", "orders", "API/orders"), "environment:", `signatureHeader: "no good", environment:`, 1)
)
