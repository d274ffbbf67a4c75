// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"go/format"
	"slices"
	"strings"

	signetv1alpha1 "github.com/signet-dev/signet/api/v1alpha1"
)

// MountRoot is the folder in which the printed setup mounts keys. Any folder works.
const MountRoot = "/etc/signet"

// Verifier is the setup of a backend that verifies the requests of a binding.
type Verifier struct {
	Header          string   `json:"header"`
	UnsignedPayload bool     `json:"unsignedPayload"`
	RequiredHeaders []string `json:"requiredHeaders,omitempty"`
	Mounts          []Mount  `json:"mounts"`
}

// Mount is a directory and the object that the Pod mounts there.
type Mount struct {
	Directory string `json:"directory"`
	// Kind is Secret, or ConfigMap for the public components of PublicKey.
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// verifierOf returns the setup for a binding. While it moves to another key, and
// shortly after, both keys are mounted.
func verifierOf(binding *signetv1alpha1.SignatureBinding, keys []signetv1alpha1.SignatureKey) *Verifier {
	verifier := &Verifier{
		Header:          binding.EffectiveSignatureHeader(),
		UnsignedPayload: binding.EffectivePayload() == signetv1alpha1.PayloadUnsigned,
		RequiredHeaders: slices.Sorted(slices.Values(binding.Spec.SignedHeaders)),
		Mounts:          []Mount{},
	}
	for _, name := range keyNames(binding) {
		for j := range keys {
			if keys[j].Name == name {
				verifier.Mounts = append(verifier.Mounts, mountOf(&keys[j]))
			}
		}
	}
	return verifier
}

// keyNames returns the names of the keys that a binding names, each once: the
// effective key first, then that of the spec, then the previous keys.
func keyNames(binding *signetv1alpha1.SignatureBinding) []string {
	names := make([]string, 0, 2+len(binding.Status.PreviousKeys))
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(binding.Status.KeyName)
	add(binding.Spec.KeyRef.Name)
	for i := range binding.Status.PreviousKeys {
		add(binding.Status.PreviousKeys[i].Name)
	}
	return names
}

func mountOf(key *signetv1alpha1.SignatureKey) Mount {
	mount := Mount{Directory: MountRoot + "/" + key.Name, Kind: "Secret", Name: key.EffectiveTargetName()}
	if key.Spec.Type == signetv1alpha1.KeyTypePublicKey {
		mount.Kind, mount.Name = "ConfigMap", key.PublicConfigMapName()
	}
	return mount
}

// Go returns the setup in Go with the package api/signature, ready to paste.
func (v *Verifier) Go() string {
	var directories []string
	for _, mount := range v.Mounts {
		directories = append(directories, fmt.Sprintf("%q", mount.Directory))
	}
	var options strings.Builder
	if v.Header != signetv1alpha1.DefaultSignatureHeader {
		fmt.Fprintf(&options, "\tHeader: %q,\n", v.Header)
	}
	if v.UnsignedPayload {
		options.WriteString("\tAllowUnsignedPayload: true,\n")
	}
	if len(v.RequiredHeaders) > 0 {
		fmt.Fprintf(&options, "\tRequiredHeaders: %#v,\n", v.RequiredHeaders)
	}
	text := fmt.Sprintf(`keys, err := signature.NewKeySet([]string{%s}, signature.KeySetOptions{})
if err != nil {
	return err
}
go keys.Run(ctx)
verifier, err := signature.NewVerifier(keys, signature.VerifierOptions{
%s})
if err != nil {
	return err
}
handler = verifier.Handler(handler)
`, strings.Join(directories, ", "), options.String())
	formatted, err := format.Source([]byte(text))
	if err != nil {
		return text
	}
	return string(formatted)
}
