// Package signature signs requests and verifies their signatures with the
// signature keys that Signet manages. It needs the standard library alone.
package signature
