# Everything here needs Go, make and git alone, but for test-signers, which needs
# Node.js too. `make` lists the targets.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE ?= signet:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
export GOTOOLCHAIN ?= local

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show Signet on a real control plane until Ctrl-C; DEMO_ONCE=1 shows, checks and ends.
	@go build -o bin/demo ./hack/demo
	@bin/demo

.PHONY: test
test: controlplane ## Run all tests: rules, properties, and controllers on a real API server.
	KUBEBUILDER_ASSETS="$$(go run ./hack/controlplane/cmd/assets)" go test -p 2 -timeout 30m ./...

.PHONY: bench
bench: ## Measure the manager on a real control plane; the figures stand beside their budgets.
	@go build -o bin/bench ./hack/bench
	@bin/bench

.PHONY: test-signers
test-signers: ## Compare signatures with those of two independent signers.
	cd hack/signers && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && go vet . && go test -count=1 .

.PHONY: test-verifiers
test-verifiers: ## Run the verifiers in other languages; Debian packages: `make verifiers-packages`.
	cd hack/verifiers && go vet . && go test -count=1 .

.PHONY: verifiers-packages
verifiers-packages: ## Print the Debian packages that test-verifiers needs.
	@echo default-jdk-headless g++ gcc libssl-dev nodejs php-cli python3 python3-cryptography

.PHONY: controlplane
controlplane: ## Find or build etcd, kube-apiserver, kube-controller-manager and kubectl.
	@go run ./hack/controlplane/cmd/assets >/dev/null

.PHONY: build
build: ## Build the binary as the Dockerfile does.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/signet .

.PHONY: generate
generate: ## Make deep copies and CRDs from the Go types.
	go tool controller-gen object crd paths=./api/... output:crd:dir=config/crd/bases

.PHONY: verify-generated
verify-generated: generate ## Fail if generated files are not current.
	@git diff --exit-code -- api config/crd || { echo "run make generate and commit the result" >&2; exit 1; }

.PHONY: fmt
fmt: ## Format the code.
	gofmt -w api controllers hack internal main.go

.PHONY: vet
vet: ## Fail on what gofmt and go vet find.
	@files="$$(gofmt -l api controllers hack internal main.go)"; test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	go vet ./...

.PHONY: lint
lint: ## Run golangci-lint, in the version that hack/tools pins.
	go tool -modfile=hack/tools/go.mod golangci-lint run ./...

.PHONY: docker-build
docker-build: ## Build the image for several platforms.
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMAGE) .

.PHONY: deploy
deploy: ## Install into the cluster that kubectl points at.
	kubectl apply --server-side -k config/default

.PHONY: undeploy
undeploy: ## Remove what deploy has installed.
	kubectl delete -k config/default
