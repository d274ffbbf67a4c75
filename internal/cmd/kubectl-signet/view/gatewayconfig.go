// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"net"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Fault is a problem in the settings of a gateway.
type Fault struct {
	Result  Result
	Message string
	Action  string
}

// Tenant is a namespace with its bindings, which gateway settings must match.
type Tenant struct {
	Namespace string
	Bindings  []signetv1alpha1.SignatureBinding
}

// The endpoints of the signer: the first segment of its paths.
const (
	endpointSign   = "sign"
	endpointEnvoy  = "envoy"
	endpointVerify = "verify"
)

// signerName is the prefix of the names of the signer's Services.
const signerName = "signet-signer"

const (
	copyAction = "make the gateway copy all three headers of the signer's response"
	failAction = "disable it: requests must not pass unsigned"
)

// signerPath is a parsed path of the signer.
type signerPath struct {
	endpoint, namespace, environment string
	api                              signetv1alpha1.APIReference
}

// parseSignerPath parses /endpoint/namespace/environment/kind/name.
func parseSignerPath(path string) (signerPath, bool) {
	const segments = 6 // the first is empty
	parts := strings.Split(path, "/")
	if len(parts) != segments || parts[0] != "" || slices.Contains(parts[1:], "") {
		return signerPath{}, false
	}
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKind(parts[4]), parts[5])
	switch api.Kind {
	case signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI:
		return signerPath{endpoint: parts[1], namespace: parts[2], environment: parts[3], api: api}, true
	default:
		return signerPath{}, false
	}
}

// looksLikeSigner reports whether host or path belong to the signer. Authorization
// by other services is not checked.
func looksLikeSigner(host, path string) bool {
	if strings.HasPrefix(host, signerName) {
		return true
	}
	for _, endpoint := range []string{endpointSign, endpointEnvoy, endpointVerify} {
		if strings.HasPrefix(path, "/"+endpoint+"/") {
			return true
		}
	}
	return false
}

// checker collects faults.
type checker struct {
	tenant *Tenant
	faults []Fault
}

func (c *checker) fail(action, format string, args ...any) {
	c.faults = append(c.faults, Fault{Result: Failed, Message: fmt.Sprintf(format, args...), Action: action})
}

func (c *checker) warn(action, format string, args ...any) {
	c.faults = append(c.faults, Fault{Result: Warning, Message: fmt.Sprintf(format, args...), Action: action})
}

// slot checks the path in a field and returns the binding that it leads to, if
// there is one.
func (c *checker) slot(field, path, endpoint string) *signetv1alpha1.SignatureBinding {
	slot, ok := parseSignerPath(path)
	switch {
	case !ok:
		c.fail("use the path that kubectl signet explain prints",
			"%s has the path %q, which is not /%s/<namespace>/<environment>/<kind>/<name>: the signer responds with 404", field, path, endpoint)
		return nil
	case slot.endpoint != endpoint:
		c.fail(fmt.Sprintf("start the path with /%s/", endpoint), "%s calls the endpoint /%s/, but this gateway needs /%s/", field, slot.endpoint, endpoint)
	case slot.namespace != c.tenant.Namespace:
		c.fail("name an API of this namespace",
			"%s names an API of namespace %q: with this namespace's certificate the signer responds with 403, and with a broader one it signs as namespace %q",
			field, slot.namespace, slot.namespace)
		return nil
	}
	binding := c.tenant.binding(slot)
	if binding == nil {
		c.warn("bind the API to a key", "%s: no SignatureBinding lists %s in %s: the signer responds with 503", field, APIName(slot.api), slot.environment)
	}
	return binding
}

// binding returns the one that holds the slot, else one that lists the API.
func (t *Tenant) binding(slot signerPath) *signetv1alpha1.SignatureBinding {
	var lists *signetv1alpha1.SignatureBinding
	for i := range t.Bindings {
		binding := &t.Bindings[i]
		if status, found := stateOf(slot.api, binding); found && environmentOf(binding) == slot.environment && Holds(status) {
			return binding
		}
		if lists == nil && binding.Spec.Environment == slot.environment && slices.Contains(binding.Spec.APIs, slot.api) {
			lists = binding
		}
	}
	return lists
}

// copies checks that all three headers replace those of the client.
func (c *checker) copies(field string, binding *signetv1alpha1.SignatureBinding, copied func(name string) bool) {
	// Only the binding determines which header carries the signature.
	if header := headerOf(binding); binding != nil && !copied(header) {
		c.fail(copyAction, "%s lacks %s, which carries the signature: requests pass unsigned, with the client's own %s", field, header, header)
	}
	for _, name := range alwaysCopied {
		if !copied(name) {
			c.fail(copyAction, "%s lacks %s: the client's own value passes, and backends refuse the request", field, name)
		}
	}
}

// sees checks that the signer gets the headers that the binding signs.
func (c *checker) sees(field string, binding *signetv1alpha1.SignatureBinding, passed func(name string) bool) {
	if binding == nil {
		return
	}
	for _, name := range binding.Spec.SignedHeaders {
		if !passed(name) {
			c.fail("add it", "%s lacks %s, which binding %q signs: backends refuse requests that have it", field, name, binding.Name)
		}
	}
}

// body checks that the signer gets the body if it is signed.
func (c *checker) body(setting string, binding *signetv1alpha1.SignatureBinding, passed bool) {
	if binding != nil && binding.EffectivePayload() == signetv1alpha1.PayloadSigned && !passed {
		c.fail("pass the body to the signer, or set payload: Unsigned in the binding",
			"%s, but binding %q has payload Signed: backends refuse requests with a body", setting, binding.Name)
	}
}

// alwaysCopied are the headers that every gateway must copy from the signer's
// response, in addition to the one that carries the signature.
var alwaysCopied = []string{"X-Sdk-Date", "X-Sdk-Content-Sha256"}

// copiedHeaders are all headers of the signer's response that a gateway copies, and
// whose values from the client it drops.
func copiedHeaders(header string) []string { return append([]string{header}, alwaysCopied...) }

func headerOf(binding *signetv1alpha1.SignatureBinding) string {
	if binding == nil {
		return signetv1alpha1.DefaultSignatureHeader
	}
	return binding.EffectiveSignatureHeader()
}

// among reports whether a list contains a name, in any case.
func among(names []string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(names, func(listed string) bool { return strings.EqualFold(listed, name) })
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
