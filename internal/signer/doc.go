// SPDX-License-Identifier: Apache-2.0

// Package signer is the data plane. It signs requests for gateways and verifies
// them for backends, as the bindings specify, from a snapshot in memory
// (internal/signer/snapshot). It reads from the cluster and never writes, and it
// fails closed: a response is either complete or an error.
//
// Each endpoint has its own listener:
//
//	sign       HTTP; the request is described in X-Forwarded-*   endpoint.go
//	envoy      HTTP; the request target follows the slot         endpoint.go
//	ext_authz  gRPC; Envoy's external authorization, version 3   endpoint_extauthz.go
//	verify     HTTP; the counterpart for backends                endpoint_verify.go
//
// A request passes path.go (which slot), caller.go (may this client sign or
// verify for its namespace), the snapshot (policy and material), request.go and
// body.go (what is signed), and signer.go. refusal.go defines every other
// response, refusal_log.go limits what is logged about them.
//
// server.go starts and stops the listeners, listen.go configures them,
// tracked_conn.go and fair_limiter.go limit connections and calls per caller,
// retire.go ends connections without a failed request (internal/drain),
// tls.go reloads certificates, watch.go feeds the snapshot, and health.go serves
// metrics and probes. internal/cmd/signer has the flags.
package signer
