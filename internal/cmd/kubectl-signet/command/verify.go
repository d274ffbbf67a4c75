// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signet-dev/signet/api/signature"
	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
	"github.com/signet-dev/signet/internal/cmd/kubectl-signet/view"
	"github.com/signet-dev/signet/internal/material"
)

// maxRequest is the maximum size of a saved request in bytes.
const maxRequest = 16 << 20

// errRefused sets the exit code for a refused request.
var errRefused = errors.New("request refused")

func (p *plugin) verifyCommand() *cobra.Command {
	var file, header string
	cmd := &cobra.Command{
		Use:   "verify KEY -f FILE",
		Short: "Verify a saved request with a key, and show which part differs",
		Long: "Verify a request that was saved as on the wire (HTTP/1.1) with the key's Secret, which you must be\n" +
			"allowed to read. The request's own date is the current time: its age is not checked. Material is never\n" +
			"printed.",
		Example: "  kubectl signet verify orders -f request.http\n\n" +
			"  # The file: request line, headers, an empty line and body, as the backend received them. `curl -v` shows\n" +
			"  # what a client sends (lines with >), a backend's log or `tcpdump -A` what the gateway sends.\n" +
			"  POST /v1/orders?page=2 HTTP/1.1\n  Host: orders.example.com\n" +
			"  Authorization: SDK-HMAC-SHA256 Access=..., SignedHeaders=..., Signature=...\n" +
			"  X-Sdk-Date: 20260101T000000Z\n  X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD\n  Content-Length: 12\n\n  {\"order\": 1}",
		Args: one("key", "verify orders -f request.http"), ValidArgsFunction: p.completeKeys,
	}
	cmd.Flags().StringVarP(&file, "filename", "f", "", "File with the request (- for standard input)")
	cmd.Flags().StringVar(&header, "header", signature.DefaultHeader, "Header that carries the signature")
	output := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file == "" {
			return errors.New("--filename is required, for example: kubectl signet verify orders -f request.http")
		}
		request, err := p.savedRequest(file)
		if err != nil {
			return err
		}
		c, err := p.cluster()
		if err != nil {
			return err
		}
		keys, ids, err := c.accepted(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{
			Header: header, AllowUnsignedPayload: true, Now: clockOf(request),
		})
		if err != nil {
			return fmt.Errorf("create verifier: %w", err)
		}
		verified := view.Verify(verifier, header, ids, request)
		return p.printVerified(output.value, &verified)
	}
	return cmd
}

func (p *plugin) savedRequest(file string) (*signature.Request, error) {
	source := p.In
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		defer func() { _ = opened.Close() }()
		source = opened
	}
	text, err := io.ReadAll(io.LimitReader(source, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("%s is not an HTTP/1.1 request: %w", file, err)
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, fmt.Errorf("read body of request (check its Content-Length): %w", err)
	}
	return &signature.Request{
		Method: request.Method, Target: request.RequestURI, Host: request.Host,
		Header: request.Header, Payload: signature.Digest(body),
	}, nil
}

// clockOf returns a clock that stands at the date of the request.
func clockOf(request *signature.Request) func() time.Time {
	at, err := time.Parse(signature.DateLayout, request.Header.Get(signature.HeaderDate))
	if err != nil {
		return time.Now
	}
	return func() time.Time { return at }
}

// accepted returns the versions in the key's managed Secret, and the IDs that
// requests contain for them.
func (c *cluster) accepted(ctx context.Context, name string) (keys signature.KeyList, ids []string, err error) {
	key, err := c.key(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	secret := &corev1.Secret{}
	secretName := cmp.Or(key.Status.SecretName, key.EffectiveTargetName())
	if err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: secretName}, secret); err != nil {
		return nil, nil, fmt.Errorf("read Secret %q in namespace %q: %w", secretName, c.namespace, err)
	}
	if secret.Type != signetv1alpha1.SecretType || secret.Labels[signetv1alpha1.LabelKey] != name {
		return nil, nil, fmt.Errorf("managed Secret %q in namespace %q does not belong to SignatureKey %q", secretName, c.namespace, name)
	}
	set, err := material.Decode(secret.Data)
	if err != nil && !errors.Is(err, material.ErrModified) {
		return nil, nil, fmt.Errorf("parse Secret %q: %w", secretName, err)
	}
	for _, version := range []*material.Version{&set.Active, set.Next, set.Previous} {
		if version == nil {
			continue
		}
		key, err := signature.NewKey(signature.Material{
			Type: signature.Type(set.Type), Algorithm: signature.Algorithm(set.Algorithm),
			KeyID: version.ID, Key: signature.Bytes(version.Key), Secret: signature.Bytes(version.Secret),
		})
		if err != nil {
			return nil, nil, fmt.Errorf("parse version %s of SignatureKey %q: %w", version.ID, name, err)
		}
		keys, ids = append(keys, key), append(ids, shownID(set.Type, version)...)
	}
	return keys, ids, nil
}

// shownID returns the ID that a signature contains for a version: for HMAC the
// identifier, which is public, and for Basic nothing that may be printed.
func shownID(keyType signetv1alpha1.KeyType, version *material.Version) []string {
	switch keyType {
	case signetv1alpha1.KeyTypeHMAC:
		return []string{string(version.Key)}
	case signetv1alpha1.KeyTypeBasic:
		return nil
	default:
		return []string{version.ID}
	}
}

func (p *plugin) printVerified(format string, verified *view.Verified) error {
	switch {
	case format != outputTable:
		if err := printReport(p.Out, format, "Verification", verified); err != nil {
			return err
		}
	case verified.Accepted:
		fmt.Fprintf(p.Out, "The request is signed with version %s of the key.\n", verified.Version)
	default:
		fmt.Fprintln(p.Out, "Refused: "+verified.Reason)
		if verified.Differs != "" {
			fmt.Fprintln(p.Out, "Difference: "+verified.Differs)
		}
	}
	if !verified.Accepted {
		return errRefused
	}
	return nil
}
