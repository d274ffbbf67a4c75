// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/gen"
)

// planting is material that a user supplies in a source Secret.
type planting struct {
	keyType   signetv1alpha1.KeyType
	algorithm signetv1alpha1.KeyAlgorithm
	specKey   string
	data      map[string]string
	// path and rule are the field and the message of the refusal. Empty if it is accepted.
	path, rule string
	// secrets must not appear anywhere. Defaults to data["secret"].
	secrets []string
}

// pair is a PublicKey pair as a source supplies it, and its private component in
// other encodings.
type pair struct{ public, private, privatePEM, privateSEC1 string }

func newPair() pair {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	sec1, err := x509.MarshalECPrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	return pair{
		public: base64.StdEncoding.EncodeToString(public), private: base64.StdEncoding.EncodeToString(private),
		privatePEM:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		privateSEC1: base64.StdEncoding.EncodeToString(sec1),
	}
}

// bodyLines are the lines of a PEM block that hold something.
func bodyLines(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[1 : len(lines)-1]
}

func plantings() map[string]planting {
	const (
		hmac, basic, aes, public = signetv1alpha1.KeyTypeHMAC, signetv1alpha1.KeyTypeBasic, signetv1alpha1.KeyTypeAES, signetv1alpha1.KeyTypePublicKey
		aes256                   = signetv1alpha1.AlgorithmAES256CFB
		keyPath, secretPath      = "data[key]", "data[secret]"
		hmacRule                 = "an HMAC secret has 16 to 64 letters, digits and any of _ - ! @ # $ %, starting with a letter or digit"
		aesKey, aesVector        = "Planted!aes-cipher-key=of-32/by+", "Planted@vector16"
	)
	one, other := newPair(), newPair()
	lines := one.private[:64] + "\n" + one.private[64:]
	return map[string]planting{
		"HMAC":               {keyType: hmac, data: map[string]string{"secret": "Planted-hmac-secret-417"}},
		"HMAC, too long":     {keyType: hmac, data: map[string]string{"secret": strings.Repeat("Planted-long-secret-", 4)}, path: secretPath, rule: hmacRule},
		"HMAC with blanks":   {keyType: hmac, data: map[string]string{"secret": "Planted secret with blanks"}, path: secretPath, rule: hmacRule},
		"HMAC with newline":  {keyType: hmac, data: map[string]string{"secret": "Planted-newline-secret-5\n"}, path: secretPath, rule: "ends with a newline. Create the value without one, using printf or kubectl create secret --from-literal"},
		"HMAC, not ASCII":    {keyType: hmac, data: map[string]string{"secret": "Planted\u00e9binary-secret-61"}, path: secretPath, rule: hmacRule},
		"HMAC, another key":  {keyType: hmac, specKey: "orders_app", data: map[string]string{"key": "another_app", "secret": "Planted-with-another-key"}, path: keyPath, rule: `differs from spec.identifier of SignatureKey "planted". Supply only one of them, or equal values`},
		"Basic":              {keyType: basic, data: map[string]string{"key": "orders_user", "secret": "Planted-password-882"}},
		"Basic, too short":   {keyType: basic, data: map[string]string{"key": "orders_user", "secret": "Plant-3"}, path: secretPath, rule: "a Basic secret (password) has 8 to 64 letters, digits and any of _ - ! @ # $ %, starting with a letter or digit"},
		"AES":                {keyType: aes, algorithm: aes256, data: map[string]string{"key": aesKey, "secret": aesVector}, secrets: []string{aesKey, aesVector}},
		"AES, a short key":   {keyType: aes, algorithm: aes256, data: map[string]string{"key": "PlantedAesShortKey", "secret": aesVector}, secrets: []string{"PlantedAesShortKey", aesVector}, path: keyPath, rule: "an aes-256-cfb key has exactly 32 letters, digits and any of _ - ! @ # $ % + / =, starting with a letter, digit, + or /"},
		"AES, a long vector": {keyType: aes, algorithm: aes256, data: map[string]string{"key": aesKey, "secret": "PlantedVectorOf19by"}, secrets: []string{aesKey, "PlantedVectorOf19by"}, path: secretPath, rule: "an AES secret (vector) has exactly 16 letters, digits and any of _ - ! @ # $ % + / =, starting with a letter, digit, + or /"},
		"a pair":             {keyType: public, data: map[string]string{"key": other.public, "secret": other.private}},
		"two of two pairs":   {keyType: public, data: map[string]string{"key": other.public, "secret": one.private}, path: secretPath, rule: "does not belong to the public key in data[key]. Supply both components of one pair"},
		"PEM":                {keyType: public, data: map[string]string{"key": one.public, "secret": one.privatePEM}, secrets: bodyLines(one.privatePEM), path: secretPath, rule: "is PEM. Supply the DER in base64 instead, in one line (openssl pkey -outform DER, then base64 -w0)"},
		"SEC 1":              {keyType: public, data: map[string]string{"key": one.public, "secret": one.privateSEC1}, path: secretPath, rule: "must be a private key as PKCS#8 DER (openssl pkcs8 -topk8 -nocrypt -outform DER)"},
		"base64 in lines":    {keyType: public, data: map[string]string{"key": one.public, "secret": lines}, secrets: strings.Fields(lines), path: secretPath, rule: "contains line breaks. Supply the base64 in one line (base64 -w0)"},
	}
}

func (p planting) key(namespace string) *signetv1alpha1.SignatureKey {
	key := gen.SignatureKey("planted", gen.InNamespace(namespace), gen.WithSource("own"))
	key.Spec.Type, key.Spec.Algorithm, key.Spec.Identifier = p.keyType, p.algorithm, p.specKey
	return key
}

// message is what a condition has of the rule.
func (p planting) message() string {
	if strings.HasPrefix(p.rule, "a") { // "an HMAC secret has …"
		return p.path + ": " + p.rule
	}
	return p.path + " " + p.rule
}

func (p planting) hidden() []string {
	if p.secrets != nil {
		return p.secrets
	}
	return []string{p.data["secret"]}
}

// supply plants material in either order: the webhook sees what comes after its
// key, the controller what was there before.
func (p planting) supply(ctx context.Context) {
	GinkgoHelper()
	keyFirst, sourceFirst := env.NewNamespace(ctx, admin), env.NewNamespace(ctx, admin)
	key := env.Create(ctx, admin, p.key(keyFirst))
	env.ExpectReady(ctx, admin, key, metav1.ConditionUnknown, signetv1alpha1.ReasonSourceNotFound)
	warnings, err := admin.ask(func() error { return admin.Create(ctx, gen.SourceSecret("own", p.data, gen.InNamespace(keyFirst))) })
	Expect(warnings).To(BeEmpty())
	if p.rule == "" {
		Expect(err).NotTo(HaveOccurred())
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	} else {
		Expect(err).To(MatchError(`admission webhook "signature-sources.signet.dev" denied the request: Secret "own" is invalid: ` +
			p.path + ": Invalid value: " + p.rule + " (for SignatureKey \"planted\")"))
	}

	env.Create(ctx, admin, gen.SourceSecret("own", p.data, gen.InNamespace(sourceFirst)))
	key = env.Create(ctx, admin, p.key(sourceFirst))
	if p.rule == "" {
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	} else {
		Expect(env.ExpectReady(ctx, admin, key, metav1.ConditionFalse, signetv1alpha1.ReasonInvalidMaterial)).To(Equal(`Secret "own" is invalid: ` + p.message() + "."))
	}
}

// modify writes past the policy into managed Secrets of bound keys, and returns
// what it wrote.
func modify(ctx context.Context) []string {
	GinkgoHelper()
	const sound, unsound = "Planted-modified-secret-7", "Planted modified into nonsense"
	namespace := env.NewNamespace(ctx, admin)
	manager := newAccount(ctx, env.SystemNamespace, env.ManagerAccount)
	for name, value := range map[string]string{"sound": sound, "unsound": unsound} {
		key := env.Create(ctx, admin, gen.SignatureKey(name, gen.InNamespace(namespace)))
		secret := managedSecret(ctx, key)
		binding := env.Create(ctx, admin, gen.SignatureBinding(name, name, gen.InNamespace(namespace), gen.WithAPIs(name)))
		env.ExpectReady(ctx, admin, binding, metav1.ConditionTrue, signetv1alpha1.ReasonBound)
		before := env.Reload(Default, ctx, admin, key).Status.KeyID
		body := asJSON(map[string]any{"stringData": map[string]string{"secret": value}})
		Expect(manager.Patch(ctx, secret, client.RawPatch(types.MergePatchType, []byte(body)))).To(Succeed())
		if value == unsound {
			env.ExpectReady(ctx, admin, key, metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost)
			env.ExpectReady(ctx, admin, binding, metav1.ConditionFalse, signetv1alpha1.ReasonSecretLost)
			continue
		}
		Eventually(func(g Gomega) {
			g.Expect(env.Reload(g, ctx, admin, key).Status.KeyID).NotTo(Equal(before))
		}).Should(Succeed())
		env.ExpectReady(ctx, admin, key, metav1.ConditionTrue, signetv1alpha1.ReasonReady)
	}
	return []string{sound, unsound}
}

// generated are the secrets that Signet has made itself, in all namespaces.
func generated(ctx context.Context) []string {
	GinkgoHelper()
	var secrets corev1.SecretList
	Expect(admin.List(ctx, &secrets, client.HasLabels{signetv1alpha1.LabelKey})).To(Succeed())
	var values []string
	for _, secret := range secrets.Items {
		if value := secret.Data["secret"]; len(value) >= 16 {
			values = append(values, string(value))
		}
	}
	Expect(values).NotTo(BeEmpty())
	return values
}

// places are all texts that people can read without reading Secrets.
func places(ctx context.Context) map[string]string {
	GinkgoHelper()
	found := map[string]string{"log": logs.String(), "answers": answers.String()}
	for name, list := range map[string]client.ObjectList{
		"Events": &corev1.EventList{}, "ConfigMaps": &corev1.ConfigMapList{},
		"SignatureKeys": &signetv1alpha1.SignatureKeyList{}, "SignatureBindings": &signetv1alpha1.SignatureBindingList{},
	} {
		Expect(admin.List(ctx, list)).To(Succeed())
		found[name] = asJSON(list)
	}
	var secrets corev1.SecretList
	Expect(admin.List(ctx, &secrets)).To(Succeed())
	for i := range secrets.Items {
		found["metadata of Secrets"] += asJSON(&secrets.Items[i].ObjectMeta)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+running.Metrics+"/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	Expect(err).NotTo(HaveOccurred())
	metrics, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	found["metrics"] = string(metrics)
	return found
}

func asJSON(value any) string {
	GinkgoHelper()
	text, err := json.Marshal(value)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

var _ = Describe("planted material", Ordered, func() {
	var hidden []string

	for _, name := range slices.Sorted(maps.Keys(plantings())) {
		It("is taken or refused by path and rule: "+name, func(ctx SpecContext) {
			plant := plantings()[name]
			plant.supply(ctx)
			hidden = append(hidden, plant.hidden()...)
		})
	}

	// spec.identifier is public for the types that have it. For the others it is where
	// one might put a secret by mistake.
	It("is not repeated when it is put into a spec", func(ctx SpecContext) {
		namespace := env.NewNamespace(ctx, admin)
		for value, refusal := range map[string]string{ // how the second goes on depends on the Kubernetes
			"Planted!aes-in-a-spec=of-32-byte":           "spec.identifier: Forbidden: identifier is only allowed for types HMAC and Basic: supply both components in a Secret (spec.source.secretRef)",
			"Planted-longer-than-spec.identifier-may-be": "spec.identifier: Too long: may not be ",
		} {
			key := gen.SignatureKey("planted", gen.InNamespace(namespace))
			key.Spec.Type, key.Spec.Algorithm, key.Spec.Identifier = signetv1alpha1.KeyTypeAES, signetv1alpha1.AlgorithmAES256CFB, value
			_, err := admin.ask(func() error { return admin.Create(ctx, key) })
			Expect(err).To(MatchError(ContainSubstring(refusal)))
			hidden = append(hidden, value)
		}
	})

	It("is nowhere but in Secrets", func(ctx SpecContext) {
		hidden = append(hidden, modify(ctx)...)
		hidden = append(hidden, generated(ctx)...)
		found := places(ctx)
		Expect(found["log"]).To(ContainSubstring("InvalidMaterial"))
		Expect(found["answers"]).To(ContainSubstring("signature-sources.signet.dev"))
		Expect(found["Events"]).To(And(ContainSubstring("InvalidMaterial"), ContainSubstring("MaterialModified"), ContainSubstring("SecretLost")))
		Expect(found["metrics"]).To(ContainSubstring("controller_runtime_reconcile_total"))
		for place, text := range found {
			Expect(leaks(text, hidden)).To(BeEmpty(), place)
		}
	})

	It("would be found in any form", func() {
		const value = "Planted-hmac-secret-417"
		for name, form := range forms(value) {
			Expect(leaks("before "+form+" after", []string{"other-value-0123456789", value})).To(ContainElement(name))
		}
		Expect(leaks("Planted-hmac- is no secret", []string{value})).To(ContainElement("its beginning"))
		Expect(leaks("nothing here", []string{value})).To(BeEmpty())
	})

	It("is reported by one controller", func(ctx SpecContext) {
		var events corev1.EventList
		Expect(admin.List(ctx, &events)).To(Succeed())
		kinds := map[string]bool{}
		for i := range events.Items {
			event := &events.Items[i]
			// The garbage collector reports owners that do not exist, which other
			// specs have named.
			bySignet := event.InvolvedObject.APIVersion == signetv1alpha1.GroupVersion.String() && event.Reason != "OwnerRefInvalidNamespace"
			if bySignet {
				kinds[event.InvolvedObject.Kind] = true
				Expect(event.ReportingController).To(Equal("signet"), event.Message)
			}
		}
		Expect(kinds).To(And(HaveKey("SignatureKey"), HaveKey("SignatureBinding")))
	})
})
