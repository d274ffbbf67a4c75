// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/testing/env"
)

var update = flag.Bool("update", false, "write the golden files")

// What all tests share: a cluster with the CRDs, objects as written by the test,
// and the plugin in a folder of its own. No manager runs.
var (
	cluster *env.Cluster
	folder  string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	var err error
	cluster, err = env.Start(ctx, env.Options{GatewayAPI: true, Install: []string{"crd", "namespace", "rbac"}})
	if err != nil {
		return failed(err)
	}
	defer cluster.Stop()
	folder = filepath.Join(cluster.Dir, "plugin")
	if err := env.Build(ctx, cluster.Root, "./internal/cmd/kubectl-signet", filepath.Join(folder, "kubectl-signet")); err != nil {
		return failed(err)
	}
	if err := createShop(ctx); err != nil {
		return failed(err)
	}
	return m.Run()
}

func failed(err error) int {
	_, _ = os.Stderr.WriteString(err.Error() + "\n")
	return 1
}

// signet runs `kubectl signet`: the real kubectl finds the plugin by the PATH.
func signet(t *testing.T, args ...string) (out, problems string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), cluster.Kubectl, append([]string{"signet"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig, "PATH="+folder+":"+os.Getenv("PATH"))
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

func TestOutput(t *testing.T) {
	for name, args := range map[string][]string{
		"status":          {"status", "-n", "shop"},
		"status_all":      {"status", "-A"},
		"status_json":     {"status", "-n", "shop", "-o", "json"},
		"explain":         {"explain", "httproute/orders", "-n", "shop"},
		"explain_yaml":    {"explain", "httproute/orders", "-n", "shop", "-o", "yaml"},
		"explain_gateway": {"explain", "httproute/orders", "--env", "RELEASE", "--gateway", "traefik", "-n", "shop"},
		"explain_unseen":  {"explain", "httproute/orders", "-n", "shop", "--as=viewer"},
		"explain_api":     {"explain", "api/unknown", "-n", "shop"},
		"bind":            {"bind", "orders", "--env", "STAGING", "-l", "app=orders", "-n", "shop"},
		"bind_named":      {"bind", "orders", "--env", "STAGING", "--containing", "pay", "--kind", "httproute", "--name", "pay", "-n", "shop"},
		"rotate_dry":      {"rotate", "orders", "--trigger", "again", "--dry-run", "-n", "shop"},
		"rotate_revoke":   {"rotate", "orders", "--revoke", "--trigger", "leak-7", "--dry-run", "-n", "shop"},
		"verify":          {"verify", "orders", "-f", "testdata/request.http", "-n", "shop"},
		"complete":        {"__complete", "-n", "shop", "rotate", "ord"},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, err := signet(t, args...)
			if err != nil {
				t.Fatalf("%v: %s%s", err, out, problems)
			}
			golden(t, name, out)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, planted := range []string{plantedSecret} {
		if strings.Contains(got, planted) {
			t.Error("material is printed")
		}
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("golden (-), got (+):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	const powerless = "--as=powerless"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"output":       {[]string{"status", "-o", "xml"}, `invalid argument "xml" for "-o, --output" flag: must be one of table, json, yaml`},
		"kind of bind": {[]string{"bind", "orders", "--env", "RELEASE", "-l", "a=b", "--kind", "tcproute"}, `"--kind" flag: must be one of httproute, grpcroute`},
		"kind":         {[]string{"explain", "tcproute/x"}, `unknown kind "tcproute": must be httproute, grpcroute or api`},
		"no API":       {[]string{"explain", "orders"}, `"orders" is not an API: use httproute/NAME, grpcroute/NAME or api/NAME`},
		"nothing":      {[]string{"explain"}, "exactly one API is required, for example: kubectl signet explain httproute/orders"},
		"two keys":     {[]string{"rotate", "a", "b"}, "exactly one key is required, for example: kubectl signet rotate orders"},
		"name":         {[]string{"status", "orders"}, "error: unexpected argument \"orders\": status takes no names, it covers the whole namespace\n"},
		"doctor":       {[]string{"doctor", "orders"}, "error: unexpected argument \"orders\": doctor takes no names"},
		"watch":        {[]string{"rotate", "orders", "--watch", "--dry-run"}, "error: --watch has no effect with --dry-run, which starts no rotation: omit one of them\n"},
		"no env":       {[]string{"bind", "orders", "-l", "a=b"}, "error: --env is required, for example: kubectl signet bind orders --env RELEASE -l app=orders\n"},
		"which routes": {[]string{"bind", "orders", "--env", "RELEASE"}, "error: --selector or --containing is required, for example: kubectl signet bind orders --env RELEASE -l app=orders\n"},
		"no file":      {[]string{"verify", "orders"}, "error: --filename is required, for example: kubectl signet verify orders -f request.http\n"},
		"flag":         {[]string{"status", "--wat"}, "unknown flag: --wat"},
		"no key":       {[]string{"rotate", "none", "-n", "shop"}, `signaturekeys.signet.dev "none" not found`},
		"no route":     {[]string{"bind", "orders", "--env", "RELEASE", "-l", "app=none", "-n", "shop"}, "no route in namespace \"shop\" matches -l app=none: there are httproute/orders, httproute/payments\n"},
		"no name":      {[]string{"bind", "orders", "--env", "RELEASE", "-l", "app=orders", "--containing", "pay", "--kind", "httproute", "-n", "shop"}, "no httproute in namespace \"shop\" matches -l app=orders and --containing pay: there are"},
		"no GRPCRoute": {[]string{"bind", "orders", "--env", "RELEASE", "--containing", "o", "--kind", "grpcroute", "-n", "shop"}, "no grpcroute exists in namespace \"shop\""},
		"taken name":   {[]string{"bind", "orders", "--env", "RELEASE", "-l", "app=orders", "--name", "orders", "--apply", "-n", "shop"}, `SignatureBinding "orders" already exists in namespace "shop"`},
		"other Secret": {[]string{"verify", "payments", "-f", "testdata/request.http", "-n", "shop"}, `read Secret "payments" in namespace "shop"`},
		"status":       {[]string{"status", "-n", "shop", powerless}, "powerless is not allowed to list signaturekeys.signet.dev in namespace shop"},
		"everywhere":   {[]string{"status", "-A", powerless}, "powerless is not allowed to list signaturekeys.signet.dev in the whole cluster: ask for a ClusterRoleBinding to the ClusterRole view or edit, which cover Signet's kinds\n"},
		"rotate":       {[]string{"rotate", "orders", "-n", "shop", "--as=viewer"}, "viewer is not allowed to patch signaturekeys.signet.dev in namespace shop"},
		"verify":       {[]string{"verify", "orders", "-f", "testdata/request.http", "-n", "shop", "--as=viewer"}, "viewer is not allowed to get secrets in namespace shop: ask for a Role that may get secrets\n"},
		"bind":         {[]string{"bind", "orders", "--env", "RELEASE", "-l", "app=orders", "-n", "shop", "--as=viewer"}, "viewer is not allowed to list httproutes.gateway.networking.k8s.io in namespace shop: ask for a Role that may list httproutes.gateway.networking.k8s.io, because view and edit do not cover the Gateway API\n"},
		"gateway":      {[]string{"explain", "httproute/orders", "--gateway", "apache"}, `invalid argument "apache" for "--gateway" flag: must be one of traefik, envoy-gateway, nginx, caddy`},
		"two formats":  {[]string{"explain", "httproute/orders", "--gateway", "nginx", "-o", "json"}, "--gateway prints the gateway's own format: omit --output"},
		"unknown env":  {[]string{"explain", "httproute/orders", "--env", "PREVIEW", "-n", "shop"}, "the API is not in environment \"PREVIEW\": --env must be one of RELEASE"},
		"unbound":      {[]string{"explain", "api/none", "--gateway", "nginx", "-n", "shop"}, "no SignatureBinding in namespace \"shop\" lists api/none"},
		"mismatch":     {[]string{"verify", "orders", "-f", "testdata/changed.http", "-n", "shop"}, "request refused"},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, err := signet(t, test.args...)
			if err == nil || !strings.Contains(problems, test.want) {
				t.Errorf("got %v, %q and %q, want %q", err, out, problems, test.want)
			}
			if strings.Contains(out+problems, plantedSecret) {
				t.Error("material is printed")
			}
		})
	}
}

func TestHelpIsOfTheCommand(t *testing.T) {
	for _, command := range []string{"status", "explain", "bind", "rotate", "verify", "doctor"} {
		out, problems, err := signet(t, command, "--help")
		if err != nil || !strings.Contains(out, "kubectl's own flags work, too") || strings.Contains(out, "--as-group") {
			t.Errorf("%s: %v %s\n%s", command, err, problems, out)
		}
	}
	if out, _, _ := signet(t, "--help"); !strings.Contains(out, "--as-group") {
		t.Errorf("kubectl's flags are listed nowhere:\n%s", out)
	}
}

func TestVerifySaysWhatDiffers(t *testing.T) {
	out, _, _ := signet(t, "verify", "orders", "-f", "testdata/changed.http", "-n", "shop")
	if want := "Difference: path or query: /v1/items was signed, not /orders/v1/items"; !strings.Contains(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// What is wrong with a printed binding does not keep it from being printed.
func TestBindChecksWhatItPrints(t *testing.T) {
	for name, test := range map[string]struct {
		args, want string
		ok         bool
	}{
		"environment": {"--env REL! --name x", `error: check binding: SignatureBinding.signet.dev "x" is invalid: spec.environment: `, false},
		"no right":    {"--env STAGING --as reader", "Not checked: reader is not allowed to create signaturebindings.signet.dev in namespace shop\n", true},
		"exists":      {"--env STAGING --name orders", "Not checked: SignatureBinding \"orders\" already exists in namespace \"shop\", and applying this changes it\n", true},
	} {
		out, problems, err := signet(t, append([]string{"bind", "orders", "-l", "app=orders", "-n", "shop"}, strings.Fields(test.args)...)...)
		if (err == nil) != test.ok || !strings.HasPrefix(problems, test.want) || !strings.HasPrefix(out, "apiVersion: signet.dev/v1alpha1\n") {
			t.Errorf("%s: got %v, %q and %q, want %q", name, err, out, problems, test.want)
		}
	}
}

func TestBindApplies(t *testing.T) {
	out, problems, err := signet(t, "bind", "orders", "--env", "PREVIEW", "-l", "app=orders", "--apply", "-n", "applied")
	if err != nil {
		t.Fatal(err, problems)
	}
	var binding signetv1alpha1.SignatureBinding
	if err := cluster.Admin.Get(t.Context(), client.ObjectKey{Namespace: "applied", Name: "orders-preview"}, &binding); err != nil {
		t.Fatal(err, out)
	}
	want := []signetv1alpha1.APIReference{signetv1alpha1.NewAPIReference("HTTPRoute", "orders")}
	if diff := cmp.Diff(want, binding.Spec.APIs); diff != "" {
		t.Error(diff)
	}
}

func TestRotateWatches(t *testing.T) {
	name := client.ObjectKey{Namespace: "applied", Name: "orders"}
	done := make(chan error, 1)
	go func() { done <- answerTrigger(t.Context(), name, "now") }()
	out, problems, err := signet(t, "rotate", "orders", "--trigger", "now", "--watch", "-n", "applied")
	if err != nil {
		t.Fatal(err, out, problems)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "v2 active") || !strings.HasSuffix(out, "The rotation is complete.\n") {
		t.Errorf("got %q", out)
	}
	if !strings.Contains(problems, `If this key is managed in Git, set spec.rotation.trigger: "now" there, too`) {
		t.Errorf("no hint: %q", problems)
	}
}

func TestRotateRefusesTheSameText(t *testing.T) {
	name := client.ObjectKey{Namespace: "applied", Name: "again"}
	rotated := &signetv1alpha1.SignatureKey{Spec: signetv1alpha1.SignatureKeySpec{
		Type: signetv1alpha1.KeyTypeHMAC, Rotation: &signetv1alpha1.Rotation{Trigger: "demo", RevokeTrigger: "leaked"},
	}}
	rotated.Namespace, rotated.Name = name.Namespace, name.Name
	if err := cluster.Admin.Create(t.Context(), rotated); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Admin.Delete(context.Background(), rotated) })
	for want, args := range map[string][]string{
		`spec.rotation.trigger of SignatureKey "again" is already "demo"`:         {"--trigger", "demo"},
		`spec.rotation.revokeTrigger of SignatureKey "again" is already "leaked"`: {"--trigger", "leaked", "--revoke", "--dry-run"},
	} {
		out, problems, err := signet(t, append([]string{"rotate", "again", "-n", "applied"}, args...)...)
		if want = "error: " + want + ": use another --trigger\n"; err == nil || out != "" || problems != want {
			t.Errorf("got %v %q %q, want %q", err, out, problems, want)
		}
	}
	// Without a text, two rotations in a second differ.
	triggers := map[string]bool{}
	for range 2 {
		if _, problems, err := signet(t, "rotate", "again", "-n", "applied"); err != nil {
			t.Fatal(err, problems)
		}
		if err := cluster.Admin.Get(t.Context(), name, rotated); err != nil {
			t.Fatal(err)
		}
		triggers[rotated.Trigger()] = true
	}
	if len(triggers) != 2 {
		t.Errorf("the triggers are %v", triggers)
	}
}

func TestDoctor(t *testing.T) {
	out, problems, err := signet(t, "doctor", "-n", "shop")
	if err == nil || !strings.Contains(problems, "checks failed") {
		t.Errorf("without a manager it should fail: %v %q", err, problems)
	}
	for _, want := range []string{
		"installed, with all fields of this version", "Gateway, HTTPRoute and GRPCRoute are installed",
		"webhook endpoints: failed\n  Service signet-webhook has no ready endpoint", "keys and bindings can be read and written",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	endpoint := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "signet-system", Name: "signet-webhook-1", Labels: map[string]string{discoveryv1.LabelServiceName: "signet-webhook"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}},
	}
	if err := cluster.Admin.Create(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := signet(t, "doctor", "-n", "shop"); !regexp.MustCompile(`ok +webhook endpoints +1 ready`).MatchString(out) {
		t.Errorf("the endpoint is not seen in\n%s", out)
	}
	out, _, _ = signet(t, "doctor", "-n", "shop", "--as=powerless")
	if want := "powerless is not allowed to get deployments.apps in namespace signet-system"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
}
