// Runs the verifiers of config/samples/verifiers, in a module of its own, since
// it needs the toolchains of their languages.
module github.com/signet-dev/signet/hack/verifiers

go 1.26.0

require github.com/signet-dev/signet v0.0.0

replace github.com/signet-dev/signet => ../..
