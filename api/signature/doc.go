// SPDX-License-Identifier: Apache-2.0

// Package signature signs requests with the signature keys that Signet manages,
// and verifies the signatures. It uses only the standard library.
//
// A gateway signs each request of an API with a key. The backend computes the same
// signature and compares, which proves that the request came through the gateway
// and was not changed. A backend wraps its handler in [Verifier.Handler] and follows
// the Secret that Signet writes with a [KeySet]. A gateway's signer calls
// [Key.Sign]. [Transport] signs the requests of clients and tests.
//
// # Wire format
//
// A signed request has three headers, whatever the type of the key: the signature
// ([DefaultHeader], or another one that both sides agree on), the time of signing
// ([HeaderDate]), and the SHA-256 of the body or [UnsignedPayload]
// ([HeaderPayload]). The types HMAC and Basic are byte for byte those of Huawei
// Cloud's API Gateway (APIG): its SDKs create the same signatures, and a Verifier
// accepts theirs.
//
//	HMAC       SDK-HMAC-SHA256 Access=<key>, SignedHeaders=<a;b>, Signature=<hex>
//	Basic      Basic base64(<key>:<secret>)
//
// APIG publishes neither text nor encoding of its types AES and PublicKey. The
// following formats are Signet's own. They cover the same canonical request, and
// their names distinguish them from APIG's.
//
//	AES        SIGNET-AES-128-CFB | SIGNET-AES-256-CFB
//	           Access=<key-id>, SignedHeaders=<a;b>, Signature=<hex>
//	PublicKey  SIGNET-ECDSA-P256-SHA256 | SIGNET-RSA-SHA256
//	           Access=<key-id>, SignedHeaders=<a;b>, Signature=<base64>
//
// AES encrypts an HMAC: it is as strong as HMAC, and fewer implementations support
// it. Prefer HMAC, or PublicKey where a backend must not be able to sign.
//
// # Coverage
//
// A signature covers the method, path, query, host, date, the listed headers, and
// the body unless that is unsigned. APIG's canonical request does not distinguish
// some requests, and neither does this package: paths that differ in a trailing
// slash or in an escaped one ("/a%2Fb", "/a/b"); queries that differ in order, in
// "a" and "a=", or in "+" and "%20"; and the order of the values of a repeated
// header. Do not decide on such differences behind a verifier. Targets with a
// broken escape, which two parties could read in two ways, are neither signed nor
// verified.
//
// Basic covers nothing: it only identifies the sender, and its date and digest are
// informative.
//
// # Limitations
//
// There is no nonce. An attacker who captures a signed request can replay it while
// its date is in the window, up to 15 minutes before and after the backend's clock.
// A captured request of type Basic contains the password. Use TLS between gateway
// and backend, and make operations that must not happen twice idempotent.
//
// With an unsigned payload, anyone between the two can change the body. A verifier
// accepts such requests only with [VerifierOptions.AllowUnsignedPayload], which a
// binding with `payload: Unsigned` requires.
//
// # Errors and secrets
//
// Clients receive one text for every failure ([PublicText]). The reason is a
// [*RefusalError] for the log. Types of this package that hold material print as
// [redacted].
//
// # Files
//
// sign.go and verify.go are the entry points, handler.go and transport.go the
// adapters for net/http. key.go and material.go define keys, scheme_*.go the
// algorithms, canonical*.go and header.go the wire format, and keyset*.go reads
// mounted directories. The folder verifiers has the same verifier in other
// languages.
package signature
