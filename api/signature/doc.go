// SPDX-License-Identifier: Apache-2.0

// Package signature signs requests with the signature keys that Signet manages,
// and verifies what was signed. It needs the standard library alone.
//
// A gateway signs each request of an API with a key, the backend computes the
// same signature and compares: it sees that the request came by way of the
// gateway, and that nobody changed it. A backend puts [Verifier.Handler] around
// its own handler, and follows the Secret that Signet writes with a [KeySet]. A
// gateway's signer calls [Key.Sign], and [Transport] is for clients and tests.
//
// # On the wire
//
// A signed request has three headers, whatever the type of the key: the
// signature ([DefaultHeader], or another that was agreed upon), when it was
// signed ([HeaderDate]), and the SHA-256 of the body or [UnsignedPayload]
// ([HeaderPayload]). The types HMAC and Basic are those of Huawei Cloud's API
// Gateway (APIG), to the byte: its SDKs sign alike, and what they sign is accepted:
//
//	HMAC       SDK-HMAC-SHA256 Access=<key>, SignedHeaders=<a;b>, Signature=<hex>
//	Basic      Basic base64(<key>:<secret>)
//
// APIG publishes neither text nor encoding of its types AES and PublicKey. The
// following are ours, of the same canonical request, and named so that nobody
// takes them for APIG's:
//
//	AES        SIGNET-AES-128-CFB | SIGNET-AES-256-CFB
//	           Access=<key-id>, SignedHeaders=<a;b>, Signature=<hex>
//	PublicKey  SIGNET-ECDSA-P256-SHA256 | SIGNET-RSA-SHA256
//	           Access=<key-id>, SignedHeaders=<a;b>, Signature=<base64>
//
// AES encrypts an HMAC: it is as strong as HMAC and understood by fewer. Prefer
// HMAC, or PublicKey where a backend must not be able to sign.
//
// # What a signature binds
//
// It binds the method, path, query, host, date, the headers in its list, and the
// body unless that is unsigned. APIG's canonical request takes some requests for
// the same, and so does this package: paths that differ in a slash at the end or
// in an escaped one ("/a%2Fb", "/a/b"); queries that differ in order, in "a" for
// "a=", or in "+" for "%20"; and the order of a repeated header's values. Do not
// decide on such differences behind a verifier. Targets with a broken escape,
// which two parties could read in two ways, are neither signed nor verified.
//
// Basic binds nothing: it only says who asks, and its date and digest inform.
//
// # What it does not do
//
// There is no nonce. Who captures a signed request can replay it as long as its
// date is in the window, up to 15 minutes on either side of the backend's clock;
// who captures one of type Basic has the password. Use TLS between gateway and
// backend, and make what must not happen twice idempotent.
//
// With an unsigned payload, anybody between the two can change the body. A
// verifier accepts that only with [VerifierOptions.AllowUnsignedPayload]. What a
// binding with `payload: Unsigned` signs needs it.
//
// Clients see one text for every failure ([PublicText]). Why a request was
// refused is a [*Refusal] for the log. Values of this package that hold material
// print as [redacted].
package signature
