# Most targets need Go, make and git alone; hack/README.md names what others need.
# `make` lists them.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE ?= signet:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
DIST ?= dist
CHECKOUT ?= .
KUBECTL ?= $(shell command -v kubectl || echo "$$(go run ./internal/testing/controlplane/cmd/assets)/kubectl")
TOOL = go tool -modfile=hack/tools/$(1).mod
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
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" go test -p 2 -timeout 30m $$(go list ./... | grep -v -e /hack/e2e/gateways -e /hack/e2e/metrics -e /hack/e2e/upgrade/history)

.PHONY: test-gateways
test-gateways: controlplane ## Test the signer behind nginx, Caddy and Traefik; needs the packages nginx-light and libnginx-mod-http-js.
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" go test -count=1 -parallel 8 -timeout 30m ./hack/e2e/gateways

.PHONY: test-prometheus
test-prometheus: controlplane ## Test metrics, alerts and dashboard with a real Prometheus; needs the package prometheus.
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" go test -count=1 -timeout 10m ./hack/e2e/metrics

.PHONY: test-argocd
test-argocd: controlplane ## Test Signet under a real Argo CD, and its status with kstatus; needs the packages redis-server and git.
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" && export KUBEBUILDER_ASSETS && \
	cd hack/e2e/argocd && go vet . && go test -count=1 -parallel 8 -timeout 30m .

.PHONY: test-upgrade
test-upgrade: controlplane ## Upgrade from the manager of a commit (FROM=…, else the newest tag v…) to this one, and go back.
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" UPGRADE_FROM="$(FROM)" go test -count=1 -v -timeout 30m ./hack/e2e/upgrade/history

.PHONY: bench
bench: ## Measure the manager on a real control plane; the figures stand beside their budgets.
	@go build -o bin/bench ./hack/bench
	@bin/bench
	go test -run '^$$' -bench . -benchmem ./internal/admission ./internal/signer/snapshot ./internal/signer ./api/signature
	cd hack/e2e/interop && go test -run '^$$' -bench . -benchmem .

.PHONY: test-signers
test-signers: ## Compare signatures with those of two independent signers.
	cd hack/e2e/interop && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && go vet . && go test -count=1 .

.PHONY: test-verifiers
test-verifiers: ## Run the verifiers in other languages; Debian packages: `make verifiers-packages`.
	cd hack/e2e/verifiers && go vet . && go test -count=1 .

.PHONY: verifiers-packages
verifiers-packages: ## Print the Debian packages that test-verifiers needs.
	@echo default-jdk-headless g++ gcc libssl-dev nodejs php-cli python3 python3-cryptography

.PHONY: controlplane
controlplane: ## Find or build etcd, kube-apiserver, kube-controller-manager and kubectl.
	@go run ./internal/testing/controlplane/cmd/assets >/dev/null

.PHONY: build
build: ## Build the binary as the Dockerfile does, and the kubectl plugin.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/signet .
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/kubectl-signet ./internal/cmd/kubectl-signet

.PHONY: generate
generate: ## Make deep copies and CRDs from the Go types, the PrometheusRule from the plain rules.
	go tool controller-gen object crd paths=./api/... output:crd:dir=config/crd/bases
	hack/tools/prometheus-rule.sh <config/prometheus/alerts.yaml >config/prometheus/prometheus_rule.yaml

.PHONY: verify-generated
verify-generated: generate ## Fail if generated files are not current.
	@git diff --exit-code -- api config/crd config/prometheus || { echo "run make generate and commit the result" >&2; exit 1; }

.PHONY: fmt
fmt: ## Format the code.
	gofmt -w api controllers hack internal main.go

.PHONY: vet
vet: ## Fail on what gofmt and go vet find.
	@files="$$(gofmt -l api controllers hack internal main.go)"; test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	go vet ./...

# The modules with code of this project. Those named caddy only say what to build.
MODULES = $(shell git ls-files '*go.mod' | xargs -n1 dirname | while read -r dir; do compgen -G "$$dir/*.go" >/dev/null && echo "$$dir"; done | grep -v /caddy)

.PHONY: lint
lint: ## Run golangci-lint in each module, in the version that hack/tools pins, and check doc.go and licenses.
	@for dir in $(MODULES); do \
		echo "golangci-lint in $$dir"; \
		(cd "$$dir" && go tool -modfile=$(CURDIR)/hack/tools/golangci-lint.mod golangci-lint run -c $(CURDIR)/.golangci.yml ./...) || failed=1; \
	done; \
	hack/tools/check-sources.sh || failed=1; \
	test -z "$$failed"

.PHONY: lint-api
lint-api: ## Check api/v1alpha1 against the Kubernetes API conventions.
	$(call TOOL,kube-api-linter) golangci-lint-kube-api-linter run -c hack/tools/kube-api-linter.yaml ./api/v1alpha1

.PHONY: lint-workflows
lint-workflows: ## Check .github/workflows.
	$(call TOOL,actionlint) actionlint -shellcheck= -pyflakes=

.PHONY: compat
compat: ## Fail if the CRDs refuse what a recorded baseline accepts.
	@cd hack/tools/compat && go vet . && go test -count=1 . && go run . ../../../config/crd

BASELINE ?= baseline
.PHONY: record-baseline
record-baseline: controlplane ## Record the baseline for compat and the upgrade tests; BASELINE=v… for a release, CHECKOUT=… for another checkout.
	KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" go run ./hack/e2e/upgrade/cmd/record -name "$(BASELINE)" -checkout "$(CHECKOUT)"

.PHONY: install-manifest
install-manifest: ## Render config/default and config/signer into dist/install.yaml and dist/signer.yaml.
	@mkdir -p $(DIST)
	$(KUBECTL) kustomize config/default -o $(DIST)/install.yaml
	$(KUBECTL) kustomize config/signer -o $(DIST)/signer.yaml

.PHONY: chart
chart: ## Package the Helm chart into dist/.
	@mkdir -p $(DIST)
	$(call TOOL,helm) helm package config/chart --destination $(DIST)

.PHONY: push-chart
push-chart: ## Push the packaged chart to REGISTRY, as GITHUB_ACTOR with TOKEN.
	@echo "$$TOKEN" | $(call TOOL,helm) helm registry login $(firstword $(subst /, ,$(REGISTRY))) --username "$$GITHUB_ACTOR" --password-stdin
	$(call TOOL,helm) helm push $(DIST)/signet-*.tgz oci://$(REGISTRY)

.PHONY: verify-version
verify-version: ## Fail if VERSION is not the one that config/ and the chart install, or was not recorded.
	@for file in config/manager config/signer/workload; do grep -qx '  newTag: $(VERSION)' $$file/kustomization.yaml || { echo "$$file/kustomization.yaml does not install $(VERSION)" >&2; exit 1; }; done
	@grep -qx 'appVersion: $(VERSION)' config/chart/Chart.yaml && grep -qx 'version: $(VERSION:v%=%)' config/chart/Chart.yaml || { echo "config/chart/Chart.yaml is not of $(VERSION)" >&2; exit 1; }
	@diff -rq config/crd/bases config/crd/recorded/$(VERSION) >&2 && grep -q 'image: .*:$(VERSION)$$' hack/e2e/upgrade/testdata/$(VERSION)/install.yaml && test -s hack/e2e/upgrade/testdata/$(VERSION)/objects.yaml || { echo "$(VERSION) was not recorded as it is: run make record-baseline BASELINE=$(VERSION) and commit the result" >&2; exit 1; }

.PHONY: sbom
sbom: build sbom-of ## Write the binary's bill of materials (CycloneDX) into dist/.

BINARY ?= bin/signet
SBOM ?= $(DIST)/sbom.cdx.json
.PHONY: sbom-of
sbom-of:
	@mkdir -p $(dir $(SBOM))
	$(call TOOL,cyclonedx) cyclonedx-gomod bin -json -std -noserial -notimestamp -version $(VERSION) -output $(SBOM) $(BINARY)

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities; skipped, aloud, where the database is out of reach.
	@hack/tools/vulncheck.sh

.PHONY: docker-build
docker-build: ## Build the image for several platforms.
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMAGE) $(BUILDX_FLAGS) .

.PHONY: deploy
deploy: ## Install into the cluster that kubectl points at.
	$(KUBECTL) apply --server-side -k config/default

.PHONY: undeploy
undeploy: ## Remove what deploy has installed.
	$(KUBECTL) delete --ignore-not-found -k config/default
