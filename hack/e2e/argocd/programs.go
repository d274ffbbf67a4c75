// SPDX-License-Identifier: Apache-2.0

package argocd

import "github.com/signet-dev/signet/internal/testing/proc"

// argoCD is pinned by binary/go.mod. One program is all of its components.
var argoCD = proc.Set{
	Name: "argocd-v3.2.6", Module: "hack/e2e/argocd/binary", Patience: "about 7 minutes on two cores, once",
	LinkerFlags: "-X github.com/argoproj/argo-cd/v3/common.version=3.2.6",
	Programs:    []proc.Program{{Name: "argocd", Package: "github.com/argoproj/argo-cd/v3/cmd"}},
}
