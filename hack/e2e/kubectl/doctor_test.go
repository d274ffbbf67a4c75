// SPDX-License-Identifier: Apache-2.0

package kubectl

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/pki"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// fault is one thing that is wrong with the installation.
type fault struct {
	name        string
	doing, undo func(*testing.T)
	// want are all findings that are not ok, as `result check: message -> action`
	// with * for what differs from run to run.
	want []string
}

func testDoctor(t *testing.T, w *fixture) {
	w.configureGateways(t)
	t.Run("healthy", func(t *testing.T) { findsNothing(t, w) })
	for _, faults := range [][]fault{
		w.faultsOfWebhooks(t), w.faultsOfInstallation(), w.faultsOfCertificates(t), w.faultsOfRoutes(), w.faultsOfIstio(), w.faultsOfPods(),
	} {
		for _, fault := range faults {
			t.Run(fault.name, func(t *testing.T) { w.finds(t, fault) })
		}
	}
	t.Run("few permissions", func(t *testing.T) { reportsMissingPermissions(t, w) })
}

// findings are those that are not ok, and the number of all.
func (w *fixture) findings(t *testing.T, args ...string) ([]string, int) {
	t.Helper()
	out, problems, _ := w.signet(t, append([]string{"doctor", "-n", shop, "-o", "json"}, args...)...)
	var diagnosis struct {
		Findings []struct{ Check, Result, Message, Action string }
	}
	if err := json.Unmarshal([]byte(out), &diagnosis); err != nil {
		t.Fatalf("%v: %s%s", err, out, problems)
	}
	w.printsNoKey(t, out)
	var wrong []string
	for _, found := range diagnosis.Findings {
		if found.Result != "ok" {
			wrong = append(wrong, fmt.Sprintf("%s %s: %s -> %s", found.Result, found.Check, found.Message, found.Action))
		}
	}
	return wrong, len(diagnosis.Findings)
}

// printsNoKey fails if the output contains the private key of a certificate or a
// component of a key.
func (w *fixture) printsNoKey(t *testing.T, out string) {
	t.Helper()
	var secrets corev1.SecretList
	must(t, w.Admin.List(t.Context(), &secrets))
	for _, secret := range secrets.Items {
		for _, name := range []string{corev1.TLSPrivateKeyKey, "secret"} {
			key := strings.TrimSpace(string(secret.Data[name]))
			if key != "" && (strings.Contains(out, key) || strings.Contains(out, base64.StdEncoding.EncodeToString(secret.Data[name]))) {
				t.Errorf("the key in Secret %s is printed", secret.Name)
			}
		}
	}
}

// finds has doctor find the fault and nothing else, and nothing once it is fixed.
// The manager repairs some faults itself, and the API server learns of a change a
// moment later: the fault is made again until it is found.
func (w *fixture) finds(t *testing.T, fault fault) {
	proc.Eventually(t, "doctor to find it", func() error {
		fault.doing(t)
		got, _ := w.findings(t)
		if len(got) != len(fault.want) {
			return fmt.Errorf("found\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(fault.want, "\n"))
		}
		for i, want := range fault.want {
			pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), `\*`, ".*") + "$"
			if !regexp.MustCompile(pattern).MatchString(got[i]) {
				return fmt.Errorf("found %q, and not %q", got[i], want)
			}
		}
		return nil
	})
	fault.undo(t)
	proc.Eventually(t, "doctor to find nothing", func() error {
		if got, _ := w.findings(t); len(got) > 0 {
			return fmt.Errorf("found %q", got)
		}
		return nil
	})
}

func findsNothing(t *testing.T, w *fixture) {
	out := w.done(t, "doctor", "-n", shop)
	expectLines(t, out, "RESULT CHECK FOUND",
		"ok CRD signaturekeys.signet.dev installed, with all fields of this version",
		"ok CRD signaturebindings.signet.dev installed, with all fields of this version")
	for _, check := range []string{
		"webhooks the CA certificate is valid until", "webhook endpoints not used: the webhooks are called at https://" + w.webhooks, "admission accepts a key (dry run)",
		"Deployment signet-controller-manager 2 available", "leader ", "permissions of the manager in namespace shop as config/rbac grants them", "policy for managed Secrets in effect",
		"Deployment signet-signer 2 available", "signer certificate the certificate is valid until",
		"CA of the signer's callers the CA in ca.crt is valid until",
		"Gateway API Gateway, HTTPRoute and GRPCRoute are installed", "your permissions in namespace shop keys and bindings can be read and written",
		"Middleware sign-orders calls the signer", "SecurityPolicy sign-orders calls the signer", "Backend signet calls the signer",
		"Istio extension provider signet calls the signer", "AuthorizationPolicy sign-legacy calls the signer",
		"caller certificate signet-signer-sign-shop the certificate is valid until",
		"caller certificate signet-signer-verify-shop the certificate is valid until",
	} {
		if !strings.Contains(spaces.ReplaceAllString(out, " "), "\nok "+check) {
			t.Errorf("not ok: %q in\n%s", check, out)
		}
	}
	if wrong, number := w.findings(t); len(wrong) > 0 || number != 21 {
		t.Errorf("%d findings, of which are wrong: %q", number, wrong)
	}
}

func (w *fixture) faultsOfWebhooks(t *testing.T) []fault {
	const untrusted = "failed admission: *x509: *-> the API server does not trust the manager: see webhooks above"
	const log = " -> see the manager's log: it writes the bundle while it runs"
	now := time.Now()
	bundles := map[string][]byte{"empty": nil}
	for name, made := range map[string]time.Time{"expired": now.AddDate(0, 0, -3), "other": now} {
		authority, err := pki.NewAuthority("test", made, 2*24*time.Hour)
		must(t, err)
		if name == "other" {
			authority, err = pki.NewAuthority("test", made, 365*24*time.Hour)
			must(t, err)
		}
		data, err := authority.Encode()
		must(t, err)
		bundles[name] = data["ca.crt"]
	}
	trusted := w.secret(t, system, "signet-webhook-ca").Data["ca.crt"]
	trust := func(bundle []byte) func(*testing.T) {
		return func(t *testing.T) {
			var patch []string
			for i := range 4 {
				patch = append(patch, fmt.Sprintf(`{"op": "add", "path": "/webhooks/%d/clientConfig/caBundle", "value": %q}`, i, base64.StdEncoding.EncodeToString(bundle)))
			}
			w.kubectl(t, "patch", "validatingwebhookconfiguration", "signet", "--type=json", "-p", "["+strings.Join(patch, ",")+"]")
		}
	}
	again := func(t *testing.T) { w.install(t, "webhook"); trust(trusted)(t) }
	return []fault{
		{"CA bundle empty", trust(bundles["empty"]), trust(trusted), []string{
			"failed webhooks: *: no CA bundle: the API server trusts no webhook" + log, untrusted}},
		{"CA bundle expired", trust(bundles["expired"]), trust(trusted), []string{
			"failed webhooks: *: the CA certificate expired on " + now.AddDate(0, 0, -1).UTC().Format(time.DateOnly) + log, untrusted}},
		{"CA bundle of another authority", trust(bundles["other"]), trust(trusted), []string{
			"warning webhooks: the CA bundle does not contain the manager's own CA (Secret signet-webhook-ca) -> see the manager's log, unless you supply the certificates (--webhook-cert-dir)", untrusted}},
		{"a webhook missing", func(t *testing.T) {
			w.kubectl(t, "patch", "validatingwebhookconfiguration", "signet", "--type=json", "-p", `[{"op": "test", "path": "/webhooks/3/name", "value": "signature-sources.signet.dev"}, {"op": "remove", "path": "/webhooks/3"}]`)
		}, again, []string{
			"failed webhooks: the configuration lacks signature-sources.signet.dev -> install Signet: kubectl apply --server-side -k config/default"}},
		{"webhooks missing", func(t *testing.T) {
			w.kubectl(t, "delete", "validatingwebhookconfiguration", "signet", "--ignore-not-found")
		}, again, []string{
			"failed webhooks: not found -> install Signet: kubectl apply --server-side -k config/default",
			// No Pods run here, and nothing shows that the manager is called elsewhere.
			"failed webhook endpoints: Service signet-webhook has no ready endpoint: the API server cannot reach a manager -> see the manager's Pods in namespace signet-system"}},
	}
}

func (w *fixture) faultsOfInstallation() []fault {
	const policy = " -> apply config/policy: without it, any client with write access to Secrets can change material"
	const binding = "validatingadmissionpolicybinding"
	back := func(folder string) func(*testing.T) { return func(t *testing.T) { w.install(t, folder) } }
	return []fault{
		{"older CRD", func(t *testing.T) {
			w.kubectl(t, "patch", "crd", "signaturebindings.signet.dev", "--type=merge", "-p", w.olderCRD(t))
		}, back("crd"), []string{"failed CRD signaturebindings.signet.dev: older than this plugin: lacks status.previousKeys -> apply the CRDs of this version"}},
		{"policy missing", func(t *testing.T) {
			w.kubectl(t, "delete", "validatingadmissionpolicy", "signet-managed-secrets", "--ignore-not-found")
		}, back("policy"), []string{"failed policy for managed Secrets: ValidatingAdmissionPolicy signet-managed-secrets does not exist" + policy}},
		{"policy on keys missing", func(t *testing.T) {
			w.kubectl(t, "delete", "validatingadmissionpolicy", "signet-key-protection", "--ignore-not-found")
		}, back("policy"), []string{"failed policy for managed Secrets: ValidatingAdmissionPolicy signet-key-protection does not exist" + policy}},
		{"policy's binding missing", func(t *testing.T) { w.kubectl(t, "delete", binding, "signet-managed-secrets", "--ignore-not-found") },
			back("policy"), []string{"failed policy for managed Secrets: ValidatingAdmissionPolicyBinding signet-managed-secrets does not exist, so the policy is off" + policy}},
		{"policy's parameters missing", func(t *testing.T) {
			w.kubectl(t, "delete", "configmap", "signet-policy-parameters", "-n", system, "--ignore-not-found")
		}, back("policy"), []string{"failed policy for managed Secrets: ConfigMap signet-policy-parameters does not exist, so the policy is off" + policy}},
		{"policy that warns", func(t *testing.T) {
			w.kubectl(t, "patch", binding, "signet-managed-secrets", "--type=merge", "-p", `{"spec": {"validationActions": ["Warn"]}}`)
		}, func(t *testing.T) {
			w.kubectl(t, "patch", binding, "signet-managed-secrets", "--type=merge", "-p", `{"spec": {"validationActions": ["Deny"]}}`)
		}, []string{"failed policy for managed Secrets: the binding signet-managed-secrets only warns or audits: validationActions lacks Deny" + policy}},
	}
}

// olderCRD is a patch that takes a field out of the schema.
func (w *fixture) olderCRD(t *testing.T) string {
	t.Helper()
	var crd struct {
		Spec struct {
			Versions []map[string]any `json:"versions"`
		} `json:"spec"`
	}
	must(t, json.Unmarshal([]byte(w.kubectl(t, "get", "crd", "signaturebindings.signet.dev", "-o", "json")), &crd))
	at := crd.Spec.Versions[0]
	for _, name := range []string{"schema", "openAPIV3Schema", "properties", "status", "properties"} {
		at = at[name].(map[string]any)
	}
	delete(at, "previousKeys")
	patch, err := json.Marshal(crd)
	must(t, err)
	return string(patch)
}

func (w *fixture) faultsOfCertificates(t *testing.T) []fault {
	server, caller := w.secret(t, system, "signet-signer-server"), w.secret(t, shop, "signet-signer-sign-shop")
	const renew = " -> renew it: signet certs --secrets --overwrite, or see cert-manager's Certificate"
	const in = "Secret signet-signer-server: "
	tomorrow := time.Now().AddDate(0, 0, 1).UTC().Format(time.DateOnly)
	certify := func(args ...string) func(*testing.T) {
		return func(t *testing.T) {
			w.run(t, ".", w.binary, append([]string{"certs", "--kubeconfig=" + w.Kubeconfig, "--secrets", "--overwrite"}, args...)...)
		}
	}
	otherCA, err := pki.NewAuthority("test", time.Now(), 24*time.Hour)
	must(t, err)
	ended, err := pki.NewAuthority("test", time.Now().AddDate(0, 0, -3), 48*time.Hour)
	must(t, err)
	return []fault{
		{"signer's certificate missing", w.without(server), w.restored(server), []string{
			"failed signer certificate: Secret signet-signer-server does not exist: the signer's Pods cannot start -> create it: signet certs --secrets --server signet-signer.signet-system.svc,signet-signer-verify.signet-system.svc"}},
		{"signer's certificate about to expire", certify("--server="+signerHost+","+verifyHost, "--days=1"), w.restored(server), []string{
			"warning signer certificate: " + in + "the certificate expires on " + tomorrow + renew}},
		{"signer's certificate of other names", certify("--server=" + verifyHost), w.restored(server), []string{
			"failed signer certificate: " + in + "the certificate does not cover " + signerHost + ": clients that use that name reject it" + renew}},
		{"signer's certificate expired", w.holding(server, map[string][]byte{"tls.crt": issued(t, ended, signerHost, verifyHost)}), w.restored(server), []string{
			"failed signer certificate: " + in + "the certificate expired on *" + renew}},
		{"authority of callers missing", w.holding(server, map[string][]byte{"ca.crt": nil}), w.restored(server), []string{
			"failed CA of the signer's callers: " + in + "ca.crt is missing: the signer cannot start without the CA of its callers -> create a new CA, after which callers need new certificates, too"}},
		{"caller's certificate missing", w.without(caller), w.restored(caller), []string{
			"failed caller certificate signet-signer-sign-shop: the Secret does not exist, but a gateway's settings name it: the gateway cannot call the signer -> create it: signet certs --secrets --sign shop"}},
		{"caller's certificate about to expire", certify("--sign="+shop, "--days=1"), w.restored(caller), []string{
			"warning caller certificate signet-signer-sign-shop: the certificate expires on " + tomorrow + renew}},
		{"caller's certificate without the URI", w.holding(caller, w.secret(t, shop, "signet-signer-verify-shop").Data), w.restored(caller), []string{
			"failed caller certificate signet-signer-sign-shop: the certificate lacks the URI signet://sign/shop (it has signet://verify/shop): the signer responds with 403" + renew}},
		{"caller's certificate of another authority", w.holding(caller, map[string][]byte{"tls.crt": issued(t, otherCA, "signet://sign/shop")}), w.restored(caller), []string{
			"failed caller certificate signet-signer-sign-shop: the certificate was not issued by a CA that the signer trusts: it refuses the connection" + renew}},
	}
}

// without deletes a Secret, holding changes parts of its data, and restored puts
// it back as it was.
func (w *fixture) without(secret *corev1.Secret) func(*testing.T) {
	return func(t *testing.T) { must(t, client.IgnoreNotFound(w.Admin.Delete(t.Context(), secret.DeepCopy()))) }
}

func (w *fixture) holding(secret *corev1.Secret, data map[string][]byte) func(*testing.T) {
	return func(t *testing.T) {
		changed := secret.DeepCopy()
		maps.Copy(changed.Data, data)
		w.put(t, changed)
	}
}

func (w *fixture) restored(secret *corev1.Secret) func(*testing.T) {
	return func(t *testing.T) { w.put(t, secret.DeepCopy()) }
}

func (w *fixture) put(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name}
	err := w.Admin.Update(t.Context(), secret)
	if client.IgnoreNotFound(err) == nil && err != nil {
		err = w.Admin.Create(t.Context(), secret)
	}
	must(t, err)
}

// faultsOfPods come last: the manager has to lead again after them.
func (w *fixture) faultsOfPods() []fault {
	const log = " -> see the manager's Pods in namespace signet-system and their logs"
	var stopped bool
	return []fault{
		{"signer missing", func(t *testing.T) {
			w.kubectl(t, "delete", "deployment", "signet-signer", "-n", system, "--ignore-not-found")
		}, func(t *testing.T) {
			w.install(t, "signer")
			w.available(t, "signet-signer", corev1.ConditionTrue)
		}, []string{"warning Deployment signet-signer: not found: nothing signs, unless a signer runs elsewhere -> install it: kubectl apply --server-side -k config/signer"}},
		{"manager away", func(t *testing.T) {
			if stopped {
				return
			}
			stopped = true
			must(t, w.manager.Stop())
			w.available(t, "signet-controller-manager", corev1.ConditionFalse)
		}, func(t *testing.T) {
			w.startManager(t)
			w.available(t, "signet-controller-manager", corev1.ConditionTrue)
		}, []string{
			`failed admission: *failed calling webhook "signaturekeys.signet.dev"*connection refused -> see the manager's Pods in namespace signet-system and their logs: no key can be created or changed`,
			"failed Deployment signet-controller-manager: not available -> see its Pods in namespace signet-system",
			"failed leader: no leader since *: no key or binding is reconciled" + log,
		}},
	}
}

// reportsMissingPermissions looks with the rights of the role view.
func reportsMissingPermissions(t *testing.T, w *fixture) {
	viewer := w.viewer(t)
	got, _ := w.findings(t, "--as="+viewer)
	for _, want := range []string{
		"unknown signer certificate: viewer is not allowed to get secrets in namespace signet-system -> ask an administrator to run this",
		"unknown caller certificate signet-signer-sign-shop: viewer is not allowed to get secrets in namespace shop -> ask an administrator to run this",
		"unknown Middlewares in namespace shop: viewer is not allowed to list middlewares.traefik.io in namespace shop -> ask an administrator to run this",
		"warning your permissions in namespace shop: you are not allowed to create, patch, delete signaturekeys and signaturebindings -> ask for a RoleBinding to the ClusterRole edit, or view for read access",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	expectLines(t, w.done(t, "doctor", "-n", shop, "--as="+viewer),
		"NOT CHECKED",
		"signer certificate: viewer is not allowed to get secrets in namespace signet-system",
		"-> ask an administrator to run this")
}
