// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	gwapiv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func urlRewrite(path, host bool) gwapiv1.HTTPRouteFilter {
	rewrite := &gwapiv1.HTTPURLRewriteFilter{}
	if path {
		rewrite.Path = &gwapiv1.HTTPPathModifier{Type: gwapiv1.PrefixMatchHTTPPathModifier, ReplacePrefixMatch: ptr.To("/v2")}
	}
	if host {
		rewrite.Hostname = ptr.To(gwapiv1.PreciseHostname("orders.internal"))
	}
	return gwapiv1.HTTPRouteFilter{Type: gwapiv1.HTTPRouteFilterURLRewrite, URLRewrite: rewrite}
}

func hostHeader(name string) gwapiv1.HTTPRouteFilter {
	return gwapiv1.HTTPRouteFilter{
		Type: gwapiv1.HTTPRouteFilterRequestHeaderModifier,
		RequestHeaderModifier: &gwapiv1.HTTPHeaderFilter{
			Set: []gwapiv1.HTTPHeader{{Name: "x-tenant", Value: "a"}, {Name: gwapiv1.HTTPHeaderName(name), Value: "orders.internal"}},
		},
	}
}

func TestHTTPRewrites(t *testing.T) {
	cases := map[string]struct {
		filter gwapiv1.HTTPRouteFilter
		want   []string
	}{
		"path":                {urlRewrite(true, false), []string{"spec.rules[1].filters[0] rewrites the path"}},
		"host":                {urlRewrite(false, true), []string{"spec.rules[1].filters[0] rewrites the host"}},
		"path and host":       {urlRewrite(true, true), []string{"spec.rules[1].filters[0] rewrites path and host"}},
		"neither":             {urlRewrite(false, false), nil},
		"no body":             {gwapiv1.HTTPRouteFilter{Type: gwapiv1.HTTPRouteFilterURLRewrite}, nil},
		"sets Host":           {hostHeader("Host"), []string{"spec.rules[1].filters[0] rewrites the host"}},
		"sets host":           {hostHeader("host"), []string{"spec.rules[1].filters[0] rewrites the host"}},
		"sets another header": {hostHeader("X-Forwarded-Host"), nil},
		"adds Host": {gwapiv1.HTTPRouteFilter{
			Type:                  gwapiv1.HTTPRouteFilterRequestHeaderModifier,
			RequestHeaderModifier: &gwapiv1.HTTPHeaderFilter{Add: []gwapiv1.HTTPHeader{{Name: "Host", Value: "a"}}},
		}, []string{"spec.rules[1].filters[0] rewrites the host"}},
		"no header body": {gwapiv1.HTTPRouteFilter{Type: gwapiv1.HTTPRouteFilterRequestHeaderModifier}, nil},
		"changes the response": {gwapiv1.HTTPRouteFilter{
			Type:                   gwapiv1.HTTPRouteFilterResponseHeaderModifier,
			ResponseHeaderModifier: &gwapiv1.HTTPHeaderFilter{Set: []gwapiv1.HTTPHeader{{Name: "Host", Value: "a"}}},
		}, nil},
		"redirects": {gwapiv1.HTTPRouteFilter{
			Type:            gwapiv1.HTTPRouteFilterRequestRedirect,
			RequestRedirect: &gwapiv1.HTTPRequestRedirectFilter{Hostname: ptr.To(gwapiv1.PreciseHostname("a.example"))},
		}, nil},
		"extension": {gwapiv1.HTTPRouteFilter{Type: gwapiv1.HTTPRouteFilterExtensionRef}, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			route := httpRoute(nil, nil)
			route.Spec.Rules = []gwapiv1.HTTPRouteRule{{}, {Filters: []gwapiv1.HTTPRouteFilter{tc.filter}}}
			if diff := cmp.Diff(tc.want, texts(OfHTTPRoute(route).Rewrites)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestHTTPRewritesEverywhere(t *testing.T) {
	route := httpRoute(nil, nil)
	route.Spec.Rules = []gwapiv1.HTTPRouteRule{
		{
			Filters: []gwapiv1.HTTPRouteFilter{hostHeader("x-other"), urlRewrite(true, false)},
			BackendRefs: []gwapiv1.HTTPBackendRef{
				{},
				{Filters: []gwapiv1.HTTPRouteFilter{hostHeader("Host")}},
			},
		},
		{Filters: []gwapiv1.HTTPRouteFilter{urlRewrite(false, true)}},
	}
	want := []Rewrite{
		{Field: "spec.rules[0].filters[1]", Path: true},
		{Field: "spec.rules[0].backendRefs[1].filters[0]", Host: true},
		{Field: "spec.rules[1].filters[0]", Host: true},
	}
	if diff := cmp.Diff(want, OfHTTPRoute(route).Rewrites); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestGRPCRewrites(t *testing.T) {
	modifier := func(name string) gwapiv1.GRPCRouteFilter {
		return gwapiv1.GRPCRouteFilter{
			Type:                  gwapiv1.GRPCRouteFilterRequestHeaderModifier,
			RequestHeaderModifier: hostHeader(name).RequestHeaderModifier,
		}
	}
	route := &gwapiv1.GRPCRoute{}
	route.Spec.Rules = []gwapiv1.GRPCRouteRule{{
		Filters: []gwapiv1.GRPCRouteFilter{modifier("x-other"), modifier("Host"), {Type: gwapiv1.GRPCRouteFilterExtensionRef}},
		BackendRefs: []gwapiv1.GRPCBackendRef{
			{Filters: []gwapiv1.GRPCRouteFilter{modifier("HOST")}},
		},
	}}
	want := []string{
		"spec.rules[0].filters[1] rewrites the host",
		"spec.rules[0].backendRefs[0].filters[0] rewrites the host",
	}
	if diff := cmp.Diff(want, texts(OfGRPCRoute(route).Rewrites)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func texts(rewrites []Rewrite) []string {
	var all []string
	for _, rewrite := range rewrites {
		all = append(all, rewrite.String())
	}
	return all
}
