// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// secretPrefix begins the names of the Secrets.
const secretPrefix = "signet-signer-"

// cluster stores each certificate in a Secret of type kubernetes.io/tls.
type cluster struct{ client client.Client }

func newCluster(kubeconfig string) (*cluster, error) {
	config, err := kubeclient.Config(kubeconfig)
	if err != nil {
		return nil, err
	}
	created, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	return &cluster{client: created}, nil
}

func (c *cluster) describe(at location) string {
	return "Secret " + at.namespace + "/" + secretPrefix + at.name
}

func (c *cluster) read(ctx context.Context, at location) (map[string][]byte, error) {
	name := client.ObjectKey{Namespace: at.namespace, Name: secretPrefix + at.name}
	secret, err := kubeclient.GetOrNil[corev1.Secret](ctx, c.client, name)
	if err != nil || secret == nil {
		return nil, err
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	return secret.Data, nil
}

// check creates the Secret in a dry run. The API server then reports, for
// example, a namespace that does not exist.
func (c *cluster) check(ctx context.Context, at location) error {
	if err := c.client.Create(ctx, newSecret(at, nil), client.DryRunAll); client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("write %s: %w", c.describe(at), err)
	}
	return nil
}

// newSecret returns the Secret of a certificate. Its type requires both entries.
func newSecret(at location, data map[string][]byte) *corev1.Secret {
	if data == nil {
		data = map[string][]byte{corev1.TLSCertKey: nil, corev1.TLSPrivateKeyKey: nil}
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: at.namespace, Name: secretPrefix + at.name,
			Labels: map[string]string{"app.kubernetes.io/name": "signet", "app.kubernetes.io/component": "signer"},
		},
		Type: corev1.SecretTypeTLS, Data: data,
	}
}

// write creates the Secret, or replaces only its data: labels and owners of an
// existing Secret belong to other clients.
func (c *cluster) write(ctx context.Context, at location, data map[string][]byte) error {
	secret := newSecret(at, data)
	err := c.client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		found := &corev1.Secret{}
		if err = c.client.Get(ctx, client.ObjectKeyFromObject(secret), found); err == nil {
			found.Data = data
			err = c.client.Update(ctx, found)
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", c.describe(at), err)
	}
	return nil
}
