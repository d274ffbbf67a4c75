// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"fmt"
	"strings"

	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Rewrite is a filter that changes a part of the request that the signature covers,
// between the gateway and the backend.
type Rewrite struct {
	// Field is the path of the filter in the route.
	Field string
	// Path and Host are true if the filter changes them; at least one is.
	Path bool
	Host bool
}

// String returns the field and its effect, for the message of a condition.
func (r Rewrite) String() string {
	switch {
	case r.Path && r.Host:
		return r.Field + " rewrites path and host"
	case r.Path:
		return r.Field + " rewrites the path"
	default:
		return r.Field + " rewrites the host"
	}
}

// httpRewrites returns the filters that rewrite path or host. Redirects do not
// count, since a redirected request does not reach a backend, and neither do mirrors.
func httpRewrites(rules []gwapiv1.HTTPRouteRule) []Rewrite {
	var found []Rewrite
	for i, rule := range rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		found = appendHTTP(found, at, rule.Filters)
		for j, backend := range rule.BackendRefs {
			found = appendHTTP(found, fmt.Sprintf("%s.backendRefs[%d]", at, j), backend.Filters)
		}
	}
	return found
}

func appendHTTP(found []Rewrite, at string, filters []gwapiv1.HTTPRouteFilter) []Rewrite {
	for i, filter := range filters {
		rewrite := Rewrite{Field: fmt.Sprintf("%s.filters[%d]", at, i)}
		switch filter.Type {
		case gwapiv1.HTTPRouteFilterURLRewrite:
			rewrite.Path = filter.URLRewrite != nil && filter.URLRewrite.Path != nil
			rewrite.Host = filter.URLRewrite != nil && filter.URLRewrite.Hostname != nil
		case gwapiv1.HTTPRouteFilterRequestHeaderModifier:
			rewrite.Host = changesHost(filter.RequestHeaderModifier)
		default: // the others change nothing that the signature covers
		}
		if rewrite.Path || rewrite.Host {
			found = append(found, rewrite)
		}
	}
	return found
}

// grpcRewrites returns the filters that rewrite the host. A GRPCRoute has none for
// the path.
func grpcRewrites(rules []gwapiv1.GRPCRouteRule) []Rewrite {
	var found []Rewrite
	for i, rule := range rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		found = appendGRPC(found, at, rule.Filters)
		for j, backend := range rule.BackendRefs {
			found = appendGRPC(found, fmt.Sprintf("%s.backendRefs[%d]", at, j), backend.Filters)
		}
	}
	return found
}

func appendGRPC(found []Rewrite, at string, filters []gwapiv1.GRPCRouteFilter) []Rewrite {
	for i, filter := range filters {
		if filter.Type == gwapiv1.GRPCRouteFilterRequestHeaderModifier && changesHost(filter.RequestHeaderModifier) {
			found = append(found, Rewrite{Field: fmt.Sprintf("%s.filters[%d]", at, i), Host: true})
		}
	}
	return found
}

// changesHost reports whether the modifier writes Host. The Gateway API does not
// allow the HTTP/2 name of that header, :authority.
func changesHost(modifier *gwapiv1.HTTPHeaderFilter) bool {
	if modifier == nil {
		return false
	}
	for _, headers := range [][]gwapiv1.HTTPHeader{modifier.Set, modifier.Add} {
		for _, header := range headers {
			if strings.EqualFold(string(header.Name), "host") {
				return true
			}
		}
	}
	return false
}
