package view

import (
	"fmt"
	"net"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// Fault is what is wrong with the settings of a gateway.
type Fault struct {
	Verdict Verdict
	Message string
	Action  string
}

// Tenant is a namespace with its bindings: what gateways' settings there have to
// fit.
type Tenant struct {
	Namespace string
	Bindings  []signetv1alpha1.SignatureBinding
}

// The faces of the signer, as paths begin.
const (
	faceSign   = "sign"
	faceEnvoy  = "envoy"
	faceVerify = "verify"
)

// signerName begins the names of the signer's Services.
const signerName = "signet-signer"

const (
	copyAction = "have the gateway copy all three headers of the signer's answer"
	failAction = "turn it off: requests must not pass unsigned"
)

// signerPath is a path of the signer's, taken apart.
type signerPath struct {
	face, namespace, environment string
	api                          signetv1alpha1.APIReference
}

// parseSignerPath reads /face/namespace/environment/kind/name, and nothing else.
func parseSignerPath(path string) (signerPath, bool) {
	const segments = 6 // the first is empty
	parts := strings.Split(path, "/")
	if len(parts) != segments || parts[0] != "" || slices.Contains(parts[1:], "") {
		return signerPath{}, false
	}
	api := signetv1alpha1.NewAPIReference(signetv1alpha1.APIKind(parts[4]), parts[5])
	switch api.Kind {
	case signetv1alpha1.APIKindHTTPRoute, signetv1alpha1.APIKindGRPCRoute, signetv1alpha1.APIKindAPI:
		return signerPath{face: parts[1], namespace: parts[2], environment: parts[3], api: api}, true
	default:
		return signerPath{}, false
	}
}

// looksLikeSigner says whether host or path is the signer's. Authorization by
// other services is not looked at.
func looksLikeSigner(host, path string) bool {
	if strings.HasPrefix(host, signerName) {
		return true
	}
	for _, face := range []string{faceSign, faceEnvoy, faceVerify} {
		if strings.HasPrefix(path, "/"+face+"/") {
			return true
		}
	}
	return false
}

// judgement collects faults.
type judgement struct {
	tenant *Tenant
	faults []Fault
}

func (j *judgement) fail(action, format string, args ...any) {
	j.faults = append(j.faults, Fault{Verdict: Failed, Message: fmt.Sprintf(format, args...), Action: action})
}

func (j *judgement) warn(action, format string, args ...any) {
	j.faults = append(j.faults, Fault{Verdict: Warning, Message: fmt.Sprintf(format, args...), Action: action})
}

// slot judges the path in a field, and returns the binding that it leads to, if
// there is one.
func (j *judgement) slot(field, path, face string) *signetv1alpha1.SignatureBinding {
	slot, ok := parseSignerPath(path)
	switch {
	case !ok:
		j.fail("take the path that kubectl signet explain prints",
			"%s has the path %q, which is not /%s/<namespace>/<environment>/<kind>/<name>: the signer answers 404", field, path, face)
		return nil
	case slot.face != face:
		j.fail(fmt.Sprintf("begin the path with /%s/", face), "%s calls the face /%s/, and this gateway needs /%s/", field, slot.face, face)
	case slot.namespace != j.tenant.Namespace:
		j.fail("name an API of this namespace",
			"%s names an API of namespace %s: this namespace's certificate gets 403, and with a wider one it signs as %s",
			field, slot.namespace, slot.namespace)
		return nil
	}
	binding := j.tenant.binding(slot)
	if binding == nil {
		j.warn("bind the API to a key", "%s: no SignatureBinding lists %s in %s: the signer answers 503", field, APIName(slot.api), slot.environment)
	}
	return binding
}

// binding is the one that holds the slot, or else one that lists the API.
func (t *Tenant) binding(slot signerPath) *signetv1alpha1.SignatureBinding {
	var lists *signetv1alpha1.SignatureBinding
	for i := range t.Bindings {
		binding := &t.Bindings[i]
		if status, stands := stateOf(slot.api, binding); stands && environmentOf(binding) == slot.environment && Holds(status) {
			return binding
		}
		if lists == nil && binding.Spec.Environment == slot.environment && slices.Contains(binding.Spec.APIs, slot.api) {
			lists = binding
		}
	}
	return lists
}

// copies judges whether all three headers replace what the client has sent.
func (j *judgement) copies(field string, binding *signetv1alpha1.SignatureBinding, copied func(name string) bool) {
	// Which header carries the signature is the binding's to say.
	if header := headerOf(binding); binding != nil && !copied(header) {
		j.fail(copyAction, "%s lacks %s, which carries the signature: requests pass unsigned, with the client's own %s", field, header, header)
	}
	for _, name := range copiedBeside {
		if !copied(name) {
			j.fail(copyAction, "%s lacks %s: the client's own passes, and backends refuse", field, name)
		}
	}
}

// sees judges whether the signer gets the headers that the binding has signed.
func (j *judgement) sees(field string, binding *signetv1alpha1.SignatureBinding, handed func(name string) bool) {
	if binding == nil {
		return
	}
	for _, name := range binding.Spec.SignedHeaders {
		if !handed(name) {
			j.fail("add it", "%s lacks %s, which binding %s signs: backends refuse requests that have it", field, name, binding.Name)
		}
	}
}

// body judges whether the signer gets the body where it is signed.
func (j *judgement) body(setting string, binding *signetv1alpha1.SignatureBinding, handed bool) {
	if binding != nil && binding.EffectivePayload() == signetv1alpha1.PayloadSigned && !handed {
		j.fail("hand the body over, or have the binding sign without it (payload: Unsigned)",
			"%s, and binding %s has payload Signed: backends refuse requests with a body", setting, binding.Name)
	}
}

// copiedBeside are the headers that every gateway has to copy from the signer's
// answer, beside the one that carries the signature.
var copiedBeside = []string{"X-Sdk-Date", "X-Sdk-Content-Sha256"}

func headerOf(binding *signetv1alpha1.SignatureBinding) string {
	if binding == nil {
		return signetv1alpha1.DefaultSignatureHeader
	}
	return binding.EffectiveSignatureHeader()
}

// among says whether a list has a name, in any case.
func among(names []string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(names, func(listed string) bool { return strings.EqualFold(listed, name) })
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
