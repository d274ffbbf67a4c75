# SPDX-License-Identifier: Apache-2.0
#
# docker buildx build --platform linux/amd64,linux/arm64 \
#   --build-arg VERSION=v0.1.0 -t REGISTRY/signet:v0.1.0 --push .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ENV GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY main.go ./
COPY api api
COPY controllers controllers
COPY internal internal
# The line of `make build`.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o bin/signet .

# No shell, no package manager; user 65532.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /src/bin/signet /signet
USER 65532:65532
ENTRYPOINT ["/signet"]
