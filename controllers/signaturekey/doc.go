// SPDX-License-Identifier: Apache-2.0

// Package signaturekey contains the controller of SignatureKeys. It keeps the
// managed Secret of each key, and for type PublicKey the public ConfigMap, as the
// key's spec and source want them, protects them while bindings use the key, and
// reports the result in the key's status.
//
// A reconcile is observe → plan → apply → patch status. observe.go makes all
// reads and returns one keyplan.Observation. Package keyplan decides; it is pure.
// apply.go carries out the plan's writes in order, with the versions that were
// observed, and reads nothing. Nobody else writes the key's objects meanwhile
// (slots.ClaimCache.WriteKey). To remove protection, the key is set to Releasing in the
// step that finds no user in the claims, until the writes have ended: no binding is
// granted the key in between. status.go writes the status
// once, even if a write has failed, and then emits the events. The deletion of a
// key is a plan like any other; deletion.go only handles what a key that no
// longer exists has left.
//
// # Inputs
//
//   - the key: metadata and spec. Of its status, only whether there is one, whether
//     it reports the loss of the Secret, since when it waits, the observed triggers,
//     and the UID and the digests on record, by which its Secret is recognized
//   - the managed Secret and the public ConfigMap, from the cache, and from a live
//     read where the plan relies on the absence of one, of its finalizer, or of the
//     UID on record. For a key without material on record, the create is that read
//   - the source Secret, and the keys of type AES with the same source
//   - the bindings that use the key, from the claims; before protection is removed,
//     with those that may use it by a write of unknown outcome
//   - whether the namespace is being deleted
//   - memory of this process: responses to own writes that the caches do not show yet
//     (kubeclient/written.go), answers of live reads (live_read_cache.go), since when
//     rotations have been watched (rotation_clock.go), since when writes fail
//     (kubeclient/failing_writes.go), and what may still take effect late (fence.go,
//     sent_secrets.go)
//
// # Outputs
//
//   - the managed Secret: data in keyplan/material.go, metadata in
//     keyplan/objects.go
//   - the public ConfigMap: keyplan/public.go
//   - the finalizer signet.dev/in-use on key and Secret: keyplan/protection.go
//     decides, protection.go writes
//   - the status, and one event for each transition of a condition
//   - events that no transition of a condition reports: Generated, MaterialApplied,
//     MaterialModified, Replaced, NothingToRotate, and Staged for a version that
//     takes the place of a staged one (keyplan/material.go), Adopted
//     (keyplan/secret.go); WriteRefused and WriteFailed, if it is the status that
//     cannot be written (status.go)
//
// # Conditions
//
// Each reason is decided in the file of package keyplan that is named here.
//
//   - Ready, and Stalled with the same reason while Ready is False: InvalidSpec,
//     TypeNotEnabled (spec.go); SourceNotFound, InvalidSource, InvalidMaterial
//     (source.go); SecretOwnedByOther (secret.go, public.go); SecretTerminating
//     (secret.go, also for the Secret of an earlier key); SecretLost (secret.go, and material.go while new material cannot
//     be generated yet); KeyTerminating (material.go); NamespaceTerminating
//     (material.go, public.go); WriteRefused, WriteFailed (failure.go; the reason is
//     found by kubeclient/write_error.go); Ready (compute.go)
//   - InUse: Bound, NotBound, DeletionBlocked (status.go)
//   - Rotating: Staged, Retiring, Settled, Resting, NothingToRotate (status.go)
//
// # Status fields
//
// All are set in keyplan/status.go from what is named here, unless another file of
// that package is named. If a write has failed, failure.go keeps Ready and the
// generations as observed; if it keeps failing, Ready reports that.
//
//   - observedGeneration: compute.go, when the whole plan has been carried out, and
//     failure.go, when Ready reports why it cannot be
//   - displayName, secretName: the spec
//   - identifier, keyID, versions with their digests, lastRotationTime: the managed Secret, or what
//     material.go makes of it
//   - observedTrigger, observedRevokeTrigger: the managed Secret; while it is lost
//     the spec, in secret.go
//   - nextRotationTime: package material
//   - bindings: observe.go
//   - secretUID: secret.go, and for a new Secret the response to its create
//     (apply.go)
//   - fencingToken: signaturebinding/protect.go
package signaturekey
