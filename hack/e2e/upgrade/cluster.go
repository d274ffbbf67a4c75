// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/signet-dev/signet/internal/testing/controlplane"
	"github.com/signet-dev/signet/internal/testing/env"
	"github.com/signet-dev/signet/internal/testing/proc"
)

// System is the namespace of Signet itself.
const System = env.SystemNamespace

// Cluster is a control plane with the Gateway API on it, for Signet to be
// installed.
type Cluster struct {
	*env.Cluster
	// webhooks is where the manager that the API server calls listens, and
	// configuration what was installed: there is no Pod behind the Service.
	webhooks      string
	configuration *unstructured.Unstructured
}

// StartCluster starts a cluster. The caller calls Stop.
func StartCluster(ctx context.Context, out io.Writer) (*Cluster, error) {
	log.SetLogger(logr.Discard())
	webhooks, err := proc.FindAddress()
	if err != nil {
		return nil, err
	}
	cluster, err := env.Start(ctx, env.Options{ControllerManager: true, GatewayAPI: true, Out: out})
	if err != nil {
		return nil, err
	}
	return &Cluster{Cluster: cluster, webhooks: webhooks}, nil
}

// Run runs kubectl as the administrator and returns what it prints, without its
// warnings.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	return c.feed(ctx, nil, args...)
}

func (c *Cluster) feed(ctx context.Context, input []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Kubectl, args...)
	cmd.Env = c.Environment()
	cmd.Stdin = bytes.NewReader(input)
	var output, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &problems
	if err := cmd.Run(); err != nil {
		return output.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, problems.String())
	}
	return output.String(), nil
}

// Environment is that of programs which find this cluster and its kubectl.
func (c *Cluster) Environment() []string {
	return append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "PATH="+filepath.Dir(c.Kubectl)+":"+os.Getenv("PATH"))
}

// Apply installs what a kustomization (-k) or file (-f) has, by the documented
// command. Afterwards the webhooks are called at the address of the manager, by
// the same field manager: the next Apply takes that back.
func (c *Cluster) Apply(ctx context.Context, flag, path string) error {
	if _, err := c.Run(ctx, "apply", "--server-side", flag, path); err != nil {
		return err
	}
	objects, err := c.read(ctx, flag, path)
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.GetKind() == "ValidatingWebhookConfiguration" {
			c.configuration = object
		}
	}
	if err := c.pointWebhooks(ctx); err != nil {
		return err
	}
	_, err = c.Run(ctx, "wait", "--for=condition=Established", "--timeout=60s",
		"crd/signaturekeys.signet.dev", "crd/signaturebindings.signet.dev")
	return err
}

func (c *Cluster) read(ctx context.Context, flag, path string) ([]*unstructured.Unstructured, error) {
	if flag == "-k" {
		return c.Render(ctx, path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	defer func() { _ = file.Close() }()
	return controlplane.Decode(file)
}

// Ask makes the API server call this manager, as a Service does whose other Pods
// are gone.
func (c *Cluster) Ask(ctx context.Context, m *Manager) error {
	c.webhooks = m.Webhooks
	return errors.Join(c.pointWebhooks(ctx), c.WaitAdmission(ctx))
}

// pointWebhooks puts a URL in place of the Service.
func (c *Cluster) pointWebhooks(ctx context.Context) error {
	if c.configuration == nil {
		return errors.New("no webhooks are installed")
	}
	pointed := c.configuration.DeepCopy()
	webhooks, _, err := unstructured.NestedSlice(pointed.Object, "webhooks")
	if err != nil {
		return fmt.Errorf("read the webhooks: %w", err)
	}
	for _, webhook := range webhooks {
		fields, ok := webhook.(map[string]any)
		if !ok {
			return errors.New("a webhook is no object")
		}
		path, _, _ := unstructured.NestedString(fields, "clientConfig", "service", "path")
		fields["clientConfig"] = map[string]any{"url": "https://" + c.webhooks + path}
	}
	if err := unstructured.SetNestedSlice(pointed.Object, webhooks, "webhooks"); err != nil {
		return fmt.Errorf("point the webhooks: %w", err)
	}
	text, err := yaml.Marshal(pointed.Object)
	if err != nil {
		return fmt.Errorf("write down the webhooks: %w", err)
	}
	_, err = c.feed(ctx, text, "apply", "--server-side", "-f", "-")
	return err
}

// Until calls check until it returns nil.
func Until(ctx context.Context, what string, check func() error) error {
	return proc.Until(ctx, proc.Long, what, check)
}
