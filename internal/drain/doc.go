// SPDX-License-Identifier: Apache-2.0

// Package drain ends the connections of a server without a failed request: it asks
// clients to leave while the connections still serve, by `Connection: close` in the
// responses of HTTP/1.1 and by a GOAWAY frame in HTTP/2 and gRPC.
//
// Goals: no request is lost that a client has sent or is about to send, whether or not
// it can be repeated; a connection has a maximum age, so that new replicas receive
// requests.
//
// Non-goals: it closes no connection, which clients do once they have left, and servers
// when they stop. It does not know when a server should stop.
//
// Files: departure.go has the time at which a connection ends and how its client is
// asked, goaway.go the frame, http2.go the connections of HTTP/2 and gRPC.
package drain
