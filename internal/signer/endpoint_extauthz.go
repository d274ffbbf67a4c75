// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"

	envoycore "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	envoyauth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	envoytype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/signet-dev/signet/api/signature"
)

// contextSlot is the context extension with the slot of a route, as
// <namespace>/<environment>/<kind>/<name>. It is one extension and not four:
// Envoy merges the extensions of a route with those of its virtual host.
const contextSlot = "slot"

// ExtAuthz serves Envoy's external authorization over gRPC, version 3.
type ExtAuthz struct {
	envoyauth.UnimplementedAuthorizationServer
	signer *Signer
	local  bool
	quota  *fairLimiter
}

// ExtAuthz returns the endpoint for Envoy over gRPC. For local, see SignHandler.
func (s *Signer) ExtAuthz(local bool) *ExtAuthz {
	return &ExtAuthz{signer: s, local: local, quota: newFairLimiter(grpcCalls)}
}

// extAuthzService is Envoy's service, with Check as a stream of one message in
// each direction, which is the same on the wire. This way a call can be denied
// before its message is in memory.
var extAuthzService = grpc.ServiceDesc{
	ServiceName: envoyauth.Authorization_ServiceDesc.ServiceName,
	HandlerType: (*envoyauth.AuthorizationServer)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Check",
		Handler:    func(server any, stream grpc.ServerStream) error { return server.(*ExtAuthz).serve(stream) },
	}},
}

// register adds the service to a server.
func (e *ExtAuthz) register(server *grpc.Server) *grpc.Server {
	server.RegisterService(&extAuthzService, e)
	return server
}

// serve handles one call. gRPC reads a message as a whole, so it is read only
// while the caller is within its quota.
func (e *ExtAuthz) serve(stream grpc.ServerStream) error {
	c := &call{caller: e.caller(stream.Context())}
	if !e.quota.acquire(c.caller.identity) {
		return stream.SendMsg(denied(e.signer.finish(endpointExtAuthz, c, quotaExceeded("calls"))))
	}
	defer e.quota.release(c.caller.identity)
	request := &envoyauth.CheckRequest{}
	if err := stream.RecvMsg(request); err != nil {
		_ = e.signer.finish(endpointExtAuthz, c, notReceived(err))
		return err // gRPC has already sent it
	}
	response, err := e.Check(stream.Context(), request)
	if err != nil {
		return err
	}
	return stream.SendMsg(response)
}

// notReceived returns the refusal for a message that could not be received.
func notReceived(err error) error {
	if grpcstatus.Code(err) == codes.ResourceExhausted {
		return tooLarge(err)
	}
	return truncated("message", err)
}

func (e *ExtAuthz) caller(ctx context.Context) caller {
	if from, ok := peer.FromContext(ctx); ok {
		if info, ok := from.AuthInfo.(peerAuthInfo); ok {
			return callerOf(info.conn, false)
		}
	}
	return callerOf(nil, e.local)
}

// Check signs the request that Envoy describes. Its error is always nil: with
// failure_mode_allow Envoy forwards requests after an error, and a refused request
// must not be forwarded.
func (e *ExtAuthz) Check(ctx context.Context, request *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
	c := &call{caller: e.caller(ctx)}
	result, err := recoverPanic(func() (*signed, error) { return e.signer.handleCheck(request.GetAttributes(), c) })
	if refused := e.signer.finish(endpointExtAuthz, c, err); refused != nil {
		return denied(refused), nil
	}
	return granted(result), nil
}

func (s *Signer) handleCheck(attributes *envoyauth.AttributeContext, c *call) (*signed, error) {
	var err error
	if c.slot, err = parseSlot(attributes.GetContextExtensions()[contextSlot]); err != nil {
		return nil, notFound()
	}
	now := s.now()
	grant, err := s.findGrant(c, verbSign, now)
	if err != nil {
		return nil, err
	}
	described := attributes.GetRequest().GetHttp()
	if described.GetPath() == "" {
		return nil, malformed("request without a path")
	}
	request := &signature.Request{
		Method: described.GetMethod(), Target: described.GetPath(), Host: described.GetHost(),
		Payload: signature.UnsignedPayload,
	}
	if grant.SignedPayload || len(grant.SignedHeaders) > 0 {
		request.Header = envoyHeaders(described)
	}
	if grant.Host != "" {
		request.Host = grant.Host
	}
	if grant.SignedPayload {
		if request.Payload, err = s.envoyPayload(described, request.Header); err != nil {
			return nil, err
		}
	}
	return s.sign(grant, request, now)
}

// envoyHeaders returns the headers of the request. Envoy passes them either one
// by one or, by default, as a map that joins the values of a repeated header.
func envoyHeaders(described *envoyauth.AttributeContext_HttpRequest) http.Header {
	header := make(http.Header, len(described.GetHeaders()))
	for name, value := range described.GetHeaders() {
		if !strings.HasPrefix(name, ":") {
			header.Add(name, value)
		}
	}
	for _, field := range described.GetHeaderMap().GetHeaders() {
		value := field.GetValue()
		if raw := field.GetRawValue(); len(raw) > 0 {
			value = string(raw)
		}
		if !strings.HasPrefix(field.GetKey(), ":") {
			header.Add(field.GetKey(), value)
		}
	}
	return header
}

// envoyPayload returns the digest of the body, provided that Envoy has passed all
// of its bytes. The text field is not usable: in it, Envoy replaces bytes that are
// not valid UTF-8.
func (s *Signer) envoyPayload(described *envoyauth.AttributeContext_HttpRequest, header http.Header) (string, error) {
	body := described.GetRawBody()
	switch {
	case isPartial(header.Values(headerPartialBody)):
		return "", tooLarge(errPartialBody)
	case int64(len(body)) > s.limits.MaxBody:
		return "", tooLarge(&http.MaxBytesError{Limit: s.limits.MaxBody})
	case described.GetBody() != "":
		return "", malformed("body passed as text: set with_request_body.pack_as_bytes")
	case int64(len(body)) < described.GetSize(), int64(len(body)) < declaredLength(header):
		return "", malformed("body incomplete: with_request_body must pass all of it")
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// declaredLength returns the Content-Length of the request, or 0 without a valid
// one.
func declaredLength(header http.Header) int64 {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		return 0
	}
	return length
}

func granted(result *signed) *envoyauth.CheckResponse {
	ok := &envoyauth.OkHttpResponse{Headers: make([]*envoycore.HeaderValueOption, 0, 3)}
	for _, field := range [...]struct{ name, value string }{
		{result.name, result.Signature}, {signature.HeaderDate, result.Date}, {signature.HeaderPayload, result.Payload},
	} {
		ok.Headers = append(ok.Headers, &envoycore.HeaderValueOption{
			Header:       &envoycore.HeaderValue{Key: field.name, Value: field.value},
			AppendAction: envoycore.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return &envoyauth.CheckResponse{
		Status:       &status.Status{Code: int32(codes.OK)},
		HttpResponse: &envoyauth.CheckResponse_OkResponse{OkResponse: ok},
	}
}

func denied(refused *refusalError) *envoyauth.CheckResponse {
	return &envoyauth.CheckResponse{
		Status: &status.Status{Code: int32(codes.PermissionDenied), Message: refused.text},
		HttpResponse: &envoyauth.CheckResponse_DeniedResponse{DeniedResponse: &envoyauth.DeniedHttpResponse{
			Status: &envoytype.HttpStatus{Code: envoytype.StatusCode(refused.status)}, //nolint:gosec // an HTTP status fits
			Body:   refused.text,
		}},
	}
}
