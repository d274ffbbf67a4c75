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

// contextSlot is the context extension that says which slot a route belongs to,
// as <namespace>/<environment>/<kind>/<name>. It is one, and not four: Envoy
// merges the extensions of a route with those of its virtual host.
const contextSlot = "slot"

// ExtAuthz serves Envoy's external authorization over gRPC, version 3.
type ExtAuthz struct {
	envoyauth.UnimplementedAuthorizationServer
	signer *Signer
	local  bool
	calls  *fairLimiter
}

// ExtAuthz is the face for Envoy over gRPC.
func (s *Signer) ExtAuthz(local bool) *ExtAuthz {
	return &ExtAuthz{signer: s, local: local, calls: newFairLimiter(grpcCalls)}
}

// extAuthzService is the service as Envoy knows it, with Check as a stream of one
// message each way: on the wire they are the same. So a call can be answered, and
// with a verdict, before its message is in memory.
var extAuthzService = grpc.ServiceDesc{
	ServiceName: envoyauth.Authorization_ServiceDesc.ServiceName,
	HandlerType: (*envoyauth.AuthorizationServer)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName: "Check",
		Handler:    func(face any, stream grpc.ServerStream) error { return face.(*ExtAuthz).serve(stream) },
	}},
}

// serve answers a call. gRPC reads a message whole, so it is read only while the
// caller has a place.
func (e *ExtAuthz) serve(stream grpc.ServerStream) error {
	c := &call{caller: e.caller(stream.Context())}
	if !e.calls.take(c.caller.who) {
		return stream.SendMsg(denied(e.signer.finish(faceExtAuthz, c, busy("calls"))))
	}
	defer e.calls.give(c.caller.who)
	check := &envoyauth.CheckRequest{}
	if err := stream.RecvMsg(check); err != nil {
		_ = e.signer.finish(faceExtAuthz, c, unread(err))
		return err // gRPC has sent it already
	}
	answer, err := e.Check(stream.Context(), check)
	if err != nil {
		return err
	}
	return stream.SendMsg(answer)
}

// unread is why there is no message.
func unread(err error) error {
	if grpcstatus.Code(err) == codes.ResourceExhausted {
		return tooLarge(err)
	}
	return cutOff("the check", err)
}

func (e *ExtAuthz) caller(ctx context.Context) caller {
	if from, ok := peer.FromContext(ctx); ok {
		if shown, ok := from.AuthInfo.(peerAuthInfo); ok {
			return callerOf(shown.connection, false)
		}
	}
	return callerOf(nil, e.local)
}

// Check signs the request that Envoy asks about. Its error is always nil: with
// failure_mode_allow Envoy lets pass what it got an error for, and what is
// refused must not pass.
func (e *ExtAuthz) Check(ctx context.Context, check *envoyauth.CheckRequest) (*envoyauth.CheckResponse, error) {
	c := &call{caller: e.caller(ctx)}
	result, err := e.signer.attempt(func() (*signed, error) { return e.signer.answerCheck(check.GetAttributes(), c) })
	if refused := e.signer.finish(faceExtAuthz, c, err); refused != nil {
		return denied(refused), nil
	}
	return granted(result), nil
}

func (s *Signer) answerCheck(attributes *envoyauth.AttributeContext, c *call) (*signed, error) {
	var err error
	if c.slot, err = parseSlot(attributes.GetContextExtensions()[contextSlot]); err != nil {
		return nil, unknownPath()
	}
	now := s.now()
	if err := c.caller.authorize(verbSign, c.slot.Namespace, now); err != nil {
		return nil, err
	}
	grant, err := s.lookup(c.slot, now)
	if err != nil {
		return nil, err
	}
	asked := attributes.GetRequest().GetHttp()
	if asked.GetPath() == "" {
		return nil, malformed("the request has no path")
	}
	request := &signature.Request{
		Method: asked.GetMethod(), Target: asked.GetPath(), Host: asked.GetHost(),
		Header: envoyHeaders(asked), Payload: signature.UnsignedPayload,
	}
	if grant.Host != "" {
		request.Host = grant.Host
	}
	if grant.SignedPayload {
		if request.Payload, err = s.envoyPayload(asked, request.Header); err != nil {
			return nil, err
		}
	}
	return s.sign(grant, request, now)
}

// envoyHeaders are the request's headers. Envoy hands them over either one by one
// or, by default, as a map, with the values of a repeated header in one.
func envoyHeaders(asked *envoyauth.AttributeContext_HttpRequest) http.Header {
	header := make(http.Header, len(asked.GetHeaders()))
	for name, value := range asked.GetHeaders() {
		if !strings.HasPrefix(name, ":") {
			header.Add(name, value)
		}
	}
	for _, field := range asked.GetHeaderMap().GetHeaders() {
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

// envoyPayload is the digest of the body, if Envoy has handed over all of it as
// it is. Body, the text, is not: Envoy replaces what is no UTF-8 in it.
func (s *Signer) envoyPayload(asked *envoyauth.AttributeContext_HttpRequest, header http.Header) (string, error) {
	body := asked.GetRawBody()
	switch {
	case partial(header.Values(headerPartialBody)):
		return "", tooLarge(errPartialBody)
	case int64(len(body)) > s.limits.MaxBody:
		return "", tooLarge(&http.MaxBytesError{Limit: s.limits.MaxBody})
	case asked.GetBody() != "":
		return "", malformed("the body came as text: with_request_body needs pack_as_bytes")
	case int64(len(body)) < asked.GetSize(), int64(len(body)) < declaredLength(header):
		return "", malformed("of the body %d bytes came: does with_request_body let all of it through?", len(body))
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// declaredLength is the Content-Length of the request, or 0 if it says nothing.
func declaredLength(header http.Header) int64 {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil {
		return 0
	}
	return length
}

func granted(result *signed) *envoyauth.CheckResponse {
	ok := &envoyauth.OkHttpResponse{}
	for _, field := range []struct{ name, value string }{
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

func denied(refused *refusal) *envoyauth.CheckResponse {
	return &envoyauth.CheckResponse{
		Status: &status.Status{Code: int32(codes.PermissionDenied), Message: refused.text},
		HttpResponse: &envoyauth.CheckResponse_DeniedResponse{DeniedResponse: &envoyauth.DeniedHttpResponse{
			Status: &envoytype.HttpStatus{Code: envoytype.StatusCode(refused.status)}, //nolint:gosec // a status of HTTP
			Body:   refused.text,
		}},
	}
}
