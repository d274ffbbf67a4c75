// Where the CRDs of gateways come from that the plugin's tests install. Nothing
// is built from these modules, and nothing imports them.
module github.com/signet-dev/signet/hack/e2e/kubectl/crds

go 1.26.0

require (
	github.com/envoyproxy/gateway v1.9.1
	github.com/traefik/traefik/v3 v3.5.3
	istio.io/api v1.32.0
)
