# SPDX-License-Identifier: Apache-2.0
#
# Most targets need only Go, make and git. A target that needs more checks this
# first, and names what is missing; hack/README.md lists them. `make` lists the
# targets.
SHELL := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE ?= signet:$(VERSION)
PLATFORMS ?= linux/amd64,linux/arm64
DIST ?= dist
CHECKOUT ?= .
KUBECTL ?= $(shell command -v kubectl || echo "$$(go run ./internal/testing/controlplane/cmd/assets)/kubectl")
TOOL = go tool -modfile=hack/tools/$(1).mod
export GOTOOLCHAIN ?= local

# require fails unless each command succeeds, and prints what to do.
require = @hack/tools/require.sh
# cluster is what a target requires that installs into one.
cluster = "$(KUBECTL) version --request-timeout=10s" "kubectl reaches no cluster: set KUBECONFIG"
# packages are those of a group of tests.
packages = $$(hack/tools/test-packages.sh $(1))
# pip_install installs what a file pins into a directory, unless it is there.
pip_install = python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes --upgrade --target
# assets makes the control plane available to a recipe, after building it once.
assets = KUBEBUILDER_ASSETS="$$(go run ./internal/testing/controlplane/cmd/assets)" && export KUBEBUILDER_ASSETS

.DEFAULT_GOAL := help

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show Signet on a real control plane until Ctrl-C; DEMO_ONCE=1 shows, checks and ends.
	@go build -o bin/demo ./hack/demo
	@bin/demo

##@ Development

.PHONY: run
run: ## Run the manager against the cluster of the current kubeconfig, with ARGS. No webhooks.
	$(require) $(cluster)
	$(KUBECTL) apply --server-side -k config/crd
	$(KUBECTL) apply --server-side -k config/namespace
	go run . certs --out=bin/certs --server=localhost
	go run . manager --leader-elect --webhook-bind-address=127.0.0.1:9443 --webhook-cert-dir=bin/certs/server --health-probe-bind-address=127.0.0.1:8081 $(ARGS)

.PHONY: generate
generate: ## Generate deep copies and CRDs from the Go types, the PrometheusRule from the plain rules, the files of nginx.
	go tool controller-gen object crd paths=./api/... output:crd:dir=config/crd/bases
	UPDATE_GATEWAYS=1 go test -count=1 -run TestPrintedTextIsTheShippedOne ./internal/cmd/kubectl-signet/view >/dev/null
	hack/tools/prometheus-rule.sh <config/prometheus/alerts.yaml >config/prometheus/prometheus_rule.yaml

.PHONY: fmt
fmt: ## Format the code.
	gofmt -w api controllers hack internal main.go

.PHONY: bench
bench: ## Measure the manager on a real control plane, and print the figures with their budgets.
	@go build -o bin/bench ./hack/bench
	@bin/bench
	go test -run '^$$' -bench . -benchmem ./internal/admission ./internal/signer/snapshot ./internal/signer ./api/signature
	cd hack/e2e/interop && go test -run '^$$' -bench . -benchmem .

##@ Checks

.PHONY: verify
verify: vet lint lint-api lint-workflows verify-generated verify-tests compat test-unit ## Run what CI checks, without the slow tests.

.PHONY: vet
vet: ## Fail if gofmt or go vet find anything.
	@files="$$(gofmt -l api controllers hack internal main.go)"; test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	go vet ./...

# The modules with code of this project. Those named caddy only pin what to build;
# test-argocd lints its own, since loading it takes as long as building Argo CD.
MODULES = $(shell git ls-files '*go.mod' | xargs -n1 dirname | while read -r dir; do compgen -G "$$dir/*.go" >/dev/null && echo "$$dir"; done | grep -v -e /caddy -e /argocd)

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

.PHONY: verify-generated
verify-generated: generate ## Fail if generated files are not current.
	@git diff --exit-code -- api config/crd config/prometheus config/gateways || { echo "run make generate and commit the result" >&2; exit 1; }

.PHONY: verify-tests
verify-tests: ## Fail if a package with tests is not run by exactly one target.
	@hack/tools/test-packages.sh --check

.PHONY: compat
compat: ## Fail if the CRDs reject what a recorded baseline accepts.
	@cd hack/tools/compat && go vet . && go run . ../../../config/crd

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities; skipped, with a warning, where the database is out of reach.
	@hack/tools/vulncheck.sh

##@ Tests

.PHONY: test
test: test-unit test-integration test-system ## Run all tests that need only Go, make and git.

.PHONY: test-unit
test-unit: ## Run the tests that need no control plane, within seconds.
	go test $(call packages,unit)
	@for dir in $(call packages,modules); do (cd "$$dir" && go test ./...) || exit 1; done

.PHONY: test-integration
test-integration: ## Run the tests of packages on a real API server.
	$(assets) && go test -p 2 -timeout 30m $(call packages,integration)

.PHONY: test-system
test-system: ## Test the installation, the binary and the plugin as users have them.
	$(assets) && go test -p 2 -timeout 30m $(call packages,system)

.PHONY: chaos
chaos: ## Run two managers under FAULTS random faults (default: 10000), over SEEDS (default: four new ones), and judge every revision.
	$(assets) && FAULTS="$(or $(FAULTS),10000)" SEEDS="$(SEEDS)" go test -count=1 -v -timeout 6h -run '^TestChaos$$' ./hack/e2e/chaos

.PHONY: test-kubernetes
test-kubernetes: export SIGNET_KUBERNETES = $(VERSION)
test-kubernetes: ## Test on the API server of an older Kubernetes: VERSION=1.30, 1.33 or 1.35.
	$(assets) && go test -count=1 -p 2 -timeout 30m ./internal/validation/apiserver $(addprefix ./hack/e2e/,admission install kubernetes)

.PHONY: test-gateways
test-gateways: ## Test the signer behind nginx, Caddy, Traefik and Envoy.
	$(require) "nginx -v" "nginx is missing: apt-get install nginx-light libnginx-mod-http-js" \
		"test -e /usr/lib/nginx/modules/ngx_http_js_module.so || nginx -V 2>&1 | grep -q -e '--add-module=[^ ]*njs'" "nginx has no njs: apt-get install libnginx-mod-http-js" \
		"python3 -m pip --version" "pip is missing: apt-get install python3-pip"
	cd hack/e2e/gateways && $(pip_install) cache/envoy -r envoy/requirements.txt
	$(assets) && go test -count=1 -parallel 8 -timeout 30m $(call packages,gateways)

.PHONY: test-prometheus
test-prometheus: ## Test metrics, alerts and the dashboard with a real Prometheus.
	$(require) "prometheus --version && promtool --version" "prometheus is missing: apt-get install prometheus"
	$(assets) && go test -count=1 -timeout 10m $(call packages,prometheus)

.PHONY: test-argocd
test-argocd: ## Test Signet under a real Argo CD, and its status with kstatus.
	$(require) "redis-server --version && redis-cli --version" "redis-server or redis-cli is missing: apt-get install redis-server" \
		"git --version" "git is missing: apt-get install git"
	$(assets) && cd $(call packages,argocd) && go vet . && \
	go tool -modfile=$(CURDIR)/hack/tools/golangci-lint.mod golangci-lint run -c $(CURDIR)/.golangci.yml . && go test -count=1 -parallel 8 -timeout 30m .

.PHONY: test-upgrade
test-upgrade: ## Upgrade from the manager of a commit (FROM=…, default: the newest tag v…) to this one, and go back.
	$(require) "git --version" "git is missing: apt-get install git" \
		"git rev-parse --verify $(or $(FROM),\$$(git tag --list 'v*' | head -n 1))^{commit}" "there is no commit to upgrade from: name one with FROM=…"
	$(assets) && UPGRADE_FROM="$(FROM)" go test -count=1 -v -timeout 30m $(call packages,upgrade)

.PHONY: test-interop
test-interop: ## Compare signatures with those of two independent signers.
	$(require) "node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'" "Node.js 20 is missing: https://nodejs.org/en/download" \
		"npm --version" "npm is missing: apt-get install npm"
	cd $(call packages,interop) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && go vet . && go test -count=1 .

# What each verifier needs: a command that succeeds where it is there, and the
# Debian packages that have it.
verifiers = python javascript php java c c++
needs_python = python3 -c 'import cryptography'
packages_python = python3 python3-cryptography
needs_javascript = node --version
packages_javascript = nodejs
needs_php = php -r 'exit(extension_loaded(\"openssl\") ? 0 : 1);'
packages_php = php-cli
needs_java = javac -version
packages_java = default-jdk-headless
needs_c = gcc -include openssl/evp.h -E -x c /dev/null
packages_c = gcc libssl-dev
needs_c++ = g++ -include openssl/evp.h -E -x c++ /dev/null
packages_c++ = g++ libssl-dev

.PHONY: test-verifiers
test-verifiers: ## Run the verifiers in other languages; VERIFIERS="python java" runs some of them.
	$(require) $(foreach language,$(or $(VERIFIERS),$(verifiers)),"$(needs_$(language))" "the toolchain of $(language) is missing: apt-get install $(packages_$(language))")
	cd $(call packages,verifiers) && go vet . && go test -count=1 .

.PHONY: verifiers-packages
verifiers-packages: ## Print the Debian packages for test-verifiers.
	@echo $(sort $(foreach language,$(verifiers),$(packages_$(language))))

# What test-servers needs in addition to the toolchains of the verifiers.
packages_servers = nginx-light php-fpm libmicrohttpd-dev maven npm python3-pip

.PHONY: test-servers
test-servers: ## Run the examples of the verifiers under the servers that they name.
	$(require) $(foreach language,$(verifiers),"$(needs_$(language))" "the toolchain of $(language) is missing: apt-get install $(packages_$(language))") \
		"nginx -v" "nginx is missing: apt-get install nginx-light" "compgen -G '/usr/sbin/php-fpm*'" "php-fpm is missing: apt-get install php-fpm" \
		"gcc -include microhttpd.h -E -x c /dev/null" "libmicrohttpd is missing: apt-get install libmicrohttpd-dev" \
		"mvn --version" "Maven is missing: apt-get install maven" "npm --version" "npm is missing: apt-get install npm" "python3 -m pip --version" "pip is missing: apt-get install python3-pip"
	cd $(call packages,servers) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
	$(pip_install) cache/python -r requirements.txt && \
	mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=cache/java && \
	go test -count=1 -timeout 10m .

.PHONY: servers-packages
servers-packages: verifiers-packages ## Print the Debian packages for test-servers.
	@echo $(packages_servers)

.PHONY: controlplane
controlplane: ## Find or build etcd, kube-apiserver, kube-controller-manager and kubectl.
	@go run ./internal/testing/controlplane/cmd/assets >/dev/null

##@ Build and release

.PHONY: build
build: ## Build the binary as the Dockerfile does, and the kubectl plugin.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/signet .
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/kubectl-signet ./internal/cmd/kubectl-signet

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
	$(require) "test -n '$(REGISTRY)'" "REGISTRY is missing: set it to HOST/PATH, such as ghcr.io/OWNER/charts" \
		"test -n \"\$$GITHUB_ACTOR\" -a -n \"\$$TOKEN\"" "GITHUB_ACTOR or TOKEN is missing: export both" \
		"ls $(DIST)/signet-*.tgz" "there is no chart in $(DIST): run make chart"
	@echo "$$TOKEN" | $(call TOOL,helm) helm registry login $(firstword $(subst /, ,$(REGISTRY))) --username "$$GITHUB_ACTOR" --password-stdin
	$(call TOOL,helm) helm push $(DIST)/signet-*.tgz oci://$(REGISTRY)

.PHONY: docker-build
docker-build: ## Build the image for several platforms.
	$(require) "docker buildx version" "docker or its buildx is missing: https://docs.docker.com/engine/install"
	docker buildx build --platform $(PLATFORMS) --build-arg VERSION=$(VERSION) -t $(IMAGE) $(BUILDX_FLAGS) .

BASELINE ?= baseline
.PHONY: record-baseline
record-baseline: ## Record the baseline for compat and the upgrade tests; BASELINE=v… for a release, CHECKOUT=… for another checkout.
	$(assets) && go run ./hack/e2e/upgrade/cmd/record -name "$(BASELINE)" -checkout "$(CHECKOUT)"

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

##@ Deployment

.PHONY: deploy
deploy: ## Install into the cluster that kubectl points at.
	$(require) $(cluster)
	$(KUBECTL) apply --server-side -k config/default

.PHONY: undeploy
undeploy: ## Remove what deploy has installed.
	$(require) $(cluster)
	$(KUBECTL) delete --ignore-not-found -k config/default
