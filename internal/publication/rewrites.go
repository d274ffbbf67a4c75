// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"fmt"
	"strings"

	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Rewrite is a filter that changes what a signature is computed over, on the
// way from the gateway to the backend.
type Rewrite struct {
	// Field is the path of the filter in the route.
	Field string
	// Path and Host say what it changes: one of them or both.
	Path bool
	Host bool
}

// String says where and what in words, for a condition's message.
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

// httpRewrites finds the filters that rewrite path or host. Redirects are none:
// a redirected request does not get to a backend. Neither are mirrors.
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
		}
		if rewrite.Path || rewrite.Host {
			found = append(found, rewrite)
		}
	}
	return found
}

// grpcRewrites finds the filters that rewrite the host; a GRPCRoute has none
// for the path.
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

// changesHost says whether the modifier writes Host. (:authority, as HTTP/2 calls
// it, is no header name that the Gateway API allows.)
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
