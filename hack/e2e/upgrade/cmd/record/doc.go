// SPDX-License-Identifier: Apache-2.0

// Command record records a baseline, which later versions must handle. It writes
// the CRDs into config/crd/recorded/<name>, and stored objects into
// hack/e2e/upgrade/testdata/<name>.
package main
