// Runs the verifiers of api/signature/verifiers, in a module of its own, since
// it needs the toolchains of their languages.
module github.com/signet-dev/signet/hack/e2e/verifiers

go 1.26.0

require github.com/signet-dev/signet v0.0.0

require golang.org/x/sys v0.48.0

replace github.com/signet-dev/signet => ../../..
