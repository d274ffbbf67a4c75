// SPDX-License-Identifier: Apache-2.0

package kubeclient_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/internal/kubeclient"
)

// A policy that only warns may quote the data of a Secret, too.
func TestWarningsAreNotLogged(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Warning", `299 - "the secret is planted-secret"`)
		switch request.URL.Path {
		case "/api":
			_, _ = w.Write([]byte(`{"kind":"APIVersions","versions":["v1"]}`))
		case "/apis":
			_, _ = w.Write([]byte(`{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`))
		case "/api/v1":
			_, _ = w.Write([]byte(`{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"secrets","kind":"Secret","namespaced":true}]}`))
		default:
			secret := corev1.Secret{}
			secret.APIVersion, secret.Kind, secret.Name = "v1", "Secret", "orders"
			_ = json.NewEncoder(w).Encode(secret)
		}
	}))
	defer server.Close()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	text := `{"apiVersion":"v1","kind":"Config","current-context":"c","clusters":[{"name":"c","cluster":{"server":"` + server.URL +
		`"}}],"users":[{"name":"c"}],"contexts":[{"name":"c","context":{"cluster":"c","user":"c"}}]}`
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	logged := &bytes.Buffer{}
	logger := logr.FromSlogHandler(slog.NewTextHandler(logged, nil))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	config, err := kubeclient.DaemonConfig(kubeconfig, "test")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = "shop", "orders"
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(logged.String(), "planted-secret") {
		t.Errorf("logged %s", logged)
	}
}
