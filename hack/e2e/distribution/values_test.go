// SPDX-License-Identifier: Apache-2.0

package distribution

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/signet-dev/signet/internal/cmd/manager"
	"github.com/signet-dev/signet/internal/cmd/signer"
)

// everything sets each value to something else than its default, and
// everyNamespaced the same for single namespaces.
const (
	everything = `
image: {repository: registry.example/signet, digest: "sha256:` + digest + `", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
replicas: 3
publicKeyEnable: true
rejectTakenSlots: true
logLevel: debug
logFormat: text
concurrency: 4
extraArgs: ["--graceful-shutdown-timeout=25s"]
tolerations: [{key: infra, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: infra, operator: Exists}]}]}}}
priorityClassName: system-cluster-critical
podLabels: {team: gateways}
podAnnotations: {example.com/contact: gateways}
policy: {users: ["system:serviceaccount:velero:velero", "admin"]}
metrics: {podMonitor: {enabled: true, interval: 10s, labels: {release: prometheus}}}
signer: {enabled: true, minReplicas: 3, maxReplicas: 7, resources: {limits: {memory: 1Gi}}, extraArgs: ["--max-body=1000"]}
networkPolicy: {enabled: true, metricsFrom: {kubernetes.io/metadata.name: monitoring}}
`
	everyNamespaced = everything + "namespaces: [team-a, team-b]\ngatewayNamespaces: [gateways]\n"
	digest          = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestValuesThatAreRefused(t *testing.T) {
	cases := map[string]struct{ values, want string }{
		"unknown value":              {"replica: 2", "at '': additional properties 'replica' not allowed"},
		"unknown nested value":       {"image: {name: signet}", "at '/image': additional properties 'name' not allowed"},
		"unknown switch":             {"crds: {install: true}", "at '/crds': additional properties 'install' not allowed"},
		"unknown resource field":     {"resources: {request: {cpu: 1}}", "at '/resources': additional properties 'request' not allowed"},
		"unknown monitor field":      {"metrics: {podMonitor: {every: 1s}}", "at '/metrics/podMonitor': additional properties 'every' not allowed"},
		"metrics switched directly":  {"metrics: {enabled: true}", "at '/metrics': additional properties 'enabled' not allowed"},
		"negative replicas":          {"replicas: -1", "at '/replicas': minimum: got -1, want 1"},
		"no replica":                 {"replicas: 0", "at '/replicas': minimum: got 0, want 1"},
		"replicas as text":           {"replicas: two", "at '/replicas': got string, want integer"},
		"half a replica":             {"replicas: 1.5", "at '/replicas': got number, want integer"},
		"log level":                  {"logLevel: loud", "at '/logLevel': value must be one of '', 'debug', 'info', 'warn', 'error'"},
		"log format":                 {"logFormat: xml", "at '/logFormat': value must be one of '', 'json', 'text'"},
		"negative concurrency":       {"concurrency: -1", "at '/concurrency': minimum: got -1, want 0"},
		"pull policy":                {"image: {pullPolicy: Sometimes}", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"},
		"no repository":              {`image: {repository: ""}`, "at '/image/repository': minLength: got 0, want 1"},
		"tag with a space":           {"image: {tag: v 1}", "at '/image/tag': 'v 1' does not match pattern"},
		"short digest":               {"image: {digest: 'sha256:12'}", "at '/image/digest': 'sha256:12' does not match pattern"},
		"switch as text":             {`publicKeyEnable: "yes"`, "at '/publicKeyEnable': got string, want boolean"},
		"switch of slots as number":  {"rejectTakenSlots: 1", "at '/rejectTakenSlots': got number, want boolean"},
		"namespaces as text":         {"namespaces: team-a", "at '/namespaces': got string, want array"},
		"namespace in capitals":      {"namespaces: [Team]", "at '/namespaces/0': 'Team' does not match pattern"},
		"namespace twice":            {"namespaces: [a, a]", "at '/namespaces': items at 0 and 1 are equal"},
		"Gateways' namespaces alone": {"gatewayNamespaces: [a]", "gatewayNamespaces requires namespaces: without it, all namespaces are read"},
		"argument without dashes":    {"extraArgs: [debug]", "at '/extraArgs/0': 'debug' does not match pattern '^--'"},
		"user with a space":          {"policy: {users: ['a b']}", "at '/policy/users/0': 'a b' does not match pattern"},
		"interval":                   {"metrics: {podMonitor: {interval: often}}", "at '/metrics/podMonitor/interval': 'often' does not match pattern"},
		"labels of numbers":          {"podLabels: {team: 7}", "at '/podLabels/team': got number, want string"},
		"secrets as names":           {"imagePullSecrets: [registry]", "at '/imagePullSecrets/0': got string, want object"},
		"unknown value of signer":    {"signer: {replicas: 2}", "at '/signer': additional properties 'replicas' not allowed"},
		"no signer at all":           {"signer: {minReplicas: 0}", "at '/signer/minReplicas': minimum: got 0, want 1"},
		"more signers than most":     {"signer: {enabled: true, minReplicas: 11}", "signer.minReplicas must not exceed signer.maxReplicas"},
		"monitors' labels as list":   {"metrics: {podMonitor: {labels: [a]}}", "at '/metrics/podMonitor/labels': got array, want object"},
		"no interval":                {"metrics: {podMonitor: {interval: 0s}}", "at '/metrics/podMonitor/interval': '0s' does not match pattern"},
		"who may read as a name":     {"networkPolicy: {metricsFrom: monitoring}", "at '/networkPolicy/metricsFrom': got string, want object"},
		"unknown of networkPolicy":   {"networkPolicy: {from: {}}", "at '/networkPolicy': additional properties 'from' not allowed"},
		"switch as number":           {"networkPolicy: {enabled: 0}", "at '/networkPolicy/enabled': got number, want boolean"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			output, err := template(t, tc.values)
			g.Expect(err).To(HaveOccurred(), output)
			g.Expect(output).To(ContainSubstring(tc.want))
		})
	}
}

// TestFlagsAreTheManagers parses the flags as the manager does.
func TestFlagsAreTheManagers(t *testing.T) {
	cases := map[string]struct {
		values string
		want   func(*manager.Options)
	}{
		"none":       {"", func(*manager.Options) {}},
		"everything": {everything, wantEverything},
		"namespaces": {everyNamespaced, func(options *manager.Options) {
			wantEverything(options)
			options.Namespaces, options.GatewayNamespaces = []string{"team-a", "team-b"}, []string{"gateways"}
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, want := manager.DefaultOptions(), manager.DefaultOptions()
			parse(g, objects(t, tc.values)[deployment], got.Bind)
			g.Expect(got.Validate()).To(Succeed())
			want.LeaderElect, want.MetricsBindAddress = true, ":8080"
			tc.want(&want)
			g.Expect(got).To(Equal(want))
		})
	}
}

func TestFlagsAreTheSigners(t *testing.T) {
	for name, values := range map[string]string{"cluster": everything, "namespaces": everyNamespaced} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := signer.DefaultOptions()
			command := parse(g, objects(t, values)[signerDeployment], got.Bind)
			g.Expect(command).To(Equal([]string{"signer"}))
			g.Expect(got.Validate()).To(Succeed())
			g.Expect(got.LogLevel + " " + got.LogFormat).To(Equal("debug text"))
			g.Expect(got.Limits.MaxBody).To(BeEquivalentTo(1000))
			g.Expect(got.Namespaces).To(HaveLen(strings.Count(values, "team-")))
		})
	}
}

// parse gives the Deployment's arguments to the program's flags, and returns
// what is no flag.
func parse(g *WithT, deployment *unstructured.Unstructured, bind func(*pflag.FlagSet)) []string {
	g.THelper()
	var arguments []string
	for _, argument := range container(g, deployment)["args"].([]any) {
		arguments = append(arguments, argument.(string))
	}
	set := pflag.NewFlagSet("signet", pflag.ContinueOnError)
	bind(set)
	g.Expect(set.Parse(arguments)).To(Succeed())
	return set.Args()
}

func wantEverything(options *manager.Options) {
	options.PublicKeyEnable, options.RejectTakenSlots = true, true
	options.LogLevel, options.LogFormat = "debug", "text"
	options.Concurrency, options.GracefulShutdown = 4, 25e9
}

func TestValuesTakeEffect(t *testing.T) {
	all := objects(t, everything)
	pod := []string{"spec", "template", "spec"}
	const monitor, network = "PodMonitor/" + systemNamespace + "/signet-controller-manager", "NetworkPolicy/" + systemNamespace + "/signet-controller-manager"
	const signerMonitor, signerNetwork = "PodMonitor/" + systemNamespace + "/signet-signer", "NetworkPolicy/" + systemNamespace + "/signet-signer-monitoring"
	whoMonitors := map[string]any{
		"from":  []any{map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": "monitoring"}}}},
		"ports": []any{map[string]any{"port": "metrics", "protocol": "TCP"}},
	}
	cases := map[string]struct {
		object string
		path   []string
		want   any
	}{
		"replicas":               {deployment, []string{"spec", "replicas"}, int64(3)},
		"pull secrets":           {deployment, append(pod, "imagePullSecrets"), []any{map[string]any{"name": "registry"}}},
		"tolerations":            {deployment, append(pod, "tolerations"), []any{map[string]any{"key": "infra", "operator": "Exists"}}},
		"priority":               {deployment, append(pod, "priorityClassName"), "system-cluster-critical"},
		"Pod's label":            {deployment, []string{"spec", "template", "metadata", "labels", "team"}, "gateways"},
		"Pod's annotation":       {deployment, []string{"spec", "template", "metadata", "annotations", "example.com/contact"}, "gateways"},
		"fewest signers":         {"HorizontalPodAutoscaler/" + systemNamespace + "/signet-signer", []string{"spec", "minReplicas"}, int64(3)},
		"most signers":           {"HorizontalPodAutoscaler/" + systemNamespace + "/signet-signer", []string{"spec", "maxReplicas"}, int64(7)},
		"signer's label":         {signerDeployment, []string{"spec", "template", "metadata", "labels", "team"}, "gateways"},
		"policy's users":         {"ConfigMap/" + systemNamespace + "/signet-policy-parameters", []string{"data", "users"}, "system:serviceaccount:velero:velero\nadmin"},
		"monitor's label":        {monitor, []string{"metadata", "labels", "release"}, "prometheus"},
		"monitor's port":         {monitor, []string{"spec", "podMetricsEndpoints"}, []any{map[string]any{"port": "metrics", "interval": "10s"}}},
		"signer's monitor":       {signerMonitor, []string{"spec", "podMetricsEndpoints"}, []any{map[string]any{"port": "metrics", "interval": "10s", "honorLabels": true}}},
		"signer's monitor label": {signerMonitor, []string{"metadata", "labels", "release"}, "prometheus"},
		"who is let in": {network, []string{"spec", "ingress"}, []any{
			map[string]any{"ports": []any{map[string]any{"port": "webhook", "protocol": "TCP"}}},
			whoMonitors,
		}},
		"who is let in to the signer": {signerNetwork, []string{"spec", "ingress"}, []any{whoMonitors}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(all).To(HaveKey(tc.object))
			got, _, err := unstructured.NestedFieldNoCopy(all[tc.object].Object, tc.path...)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(tc.want))
		})
	}
	g := NewWithT(t)
	for _, identity := range []string{deployment, signerDeployment} {
		g.Expect(container(g, all[identity])).To(HaveKeyWithValue("image", "registry.example/signet@sha256:"+digest))
		g.Expect(container(g, all[identity])).To(HaveKeyWithValue("imagePullPolicy", "Always"))
	}
	limits := map[string]any{"memory": "1Gi"}
	g.Expect(container(g, all[signerDeployment])["resources"]).To(HaveKeyWithValue("limits", limits))
}

// TestNobodyIsMonitoredWhoIsNotThere looks for the signer's PodMonitor.
func TestNobodyIsMonitoredWhoIsNotThere(t *testing.T) {
	g := NewWithT(t)
	all := objects(t, "metrics: {podMonitor: {enabled: true}}")
	g.Expect(all).To(HaveKey("PodMonitor/" + systemNamespace + "/signet-controller-manager"))
	g.Expect(all).NotTo(HaveKey("PodMonitor/" + systemNamespace + "/signet-signer"))
}

func TestReleaseNamespaceIsUsedThroughout(t *testing.T) {
	g := NewWithT(t)
	text, err := execute(helm, "template", "other", chart, "--namespace", "gateway-keys", "--kube-version", "1.37.2",
		"--set", "signer.enabled=true,networkPolicy.enabled=true,metrics.podMonitor.enabled=true")
	g.Expect(err).NotTo(HaveOccurred(), text)
	g.Expect(text).NotTo(ContainSubstring(systemNamespace))
	g.Expect(text).To(ContainSubstring("'system:serviceaccount:gateway-keys:signet-controller-manager'"))
}

// TestNotes reads what helm prints after an installation: the commands in it are
// for this release.
func TestNotes(t *testing.T) {
	cases := map[string]struct {
		namespace, values string
		has, lacks        []string
	}{
		"default": {systemNamespace, "", []string{"Signet works in all namespaces.", "  kubectl signet doctor\n"}, []string{"signer"}},
		"signer elsewhere": {"gateway-keys", "signer: {enabled: true}\nnamespaces: [team-a]", []string{
			"Signet works in the namespaces team-a.", "rollout status deployment/signet-controller-manager",
			"signet certs --secrets --namespace gateway-keys --sign team-a", "--server signet-signer.gateway-keys.svc,signet-signer-verify.gateway-keys.svc",
			"  kubectl signet doctor --system-namespace gateway-keys\n",
		}, []string{systemNamespace}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join(t.TempDir(), "values.yaml")
			g.Expect(os.WriteFile(file, []byte(tc.values), 0o600)).To(Succeed())
			output, err := execute(helm, "install", "signet", chart, "--namespace", tc.namespace, "--dry-run=client", "--values", file)
			g.Expect(err).NotTo(HaveOccurred(), output)
			_, notes, found := strings.Cut(output, "NOTES:\n")
			g.Expect(found).To(BeTrue(), output)
			t.Log(notes)
			for _, text := range tc.has {
				g.Expect(notes).To(ContainSubstring(text))
			}
			for _, text := range tc.lacks {
				g.Expect(notes).NotTo(ContainSubstring(text))
			}
		})
	}
}

func TestRendersTheSameBytesTwice(t *testing.T) {
	for name, values := range map[string]string{"default": "", "everything": everything, "namespaces": everyNamespaced} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			first, err := template(t, values)
			g.Expect(err).NotTo(HaveOccurred(), first)
			second, err := template(t, values)
			g.Expect(err).NotTo(HaveOccurred(), second)
			g.Expect(second).To(Equal(first))
		})
	}
}

// TestNothingIsMadeUpAtRenderTime looks for the functions whose answer is not
// the same everywhere, which two renderings in a row might not show.
func TestNothingIsMadeUpAtRenderTime(t *testing.T) {
	g := NewWithT(t)
	made := regexp.MustCompile(`\b(gen[A-Z]\w+|lookup|rand\w+|now|date|uuidv4|htpasswd|bcrypt|encryptAES|getHostByName|env|expandenv)\b`)
	comments := regexp.MustCompile(`(?s)/\*.*?\*/`)
	actions := regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	g.Expect(made.FindString(`{{ $ca := genCA "signet" 365 }}`)).To(Equal("genCA"))
	templates, err := filepath.Glob(filepath.Join(root, "config", "chart", "templates", "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(templates)).To(BeNumerically(">", 5))
	for _, path := range templates {
		content, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		for _, action := range actions.FindAllString(comments.ReplaceAllString(string(content), ""), -1) {
			g.Expect(made.FindString(action)).To(BeEmpty(), path)
		}
	}
}

func TestLint(t *testing.T) {
	for name, values := range map[string]string{"default": "", "everything": everything, "namespaces": everyNamespaced} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			file := filepath.Join(t.TempDir(), "values.yaml")
			g.Expect(os.WriteFile(file, []byte(values), 0o600)).To(Succeed())
			output, err := execute(helm, "lint", "--strict", "--kube-version", "1.37.2", "--values", file, chart)
			g.Expect(err).NotTo(HaveOccurred(), output)
			g.Expect(output).To(ContainSubstring("1 chart(s) linted, 0 chart(s) failed"))
		})
	}
}
