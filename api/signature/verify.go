package signature

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	// DefaultWindow is how far date and clock may be apart, in both directions.
	DefaultWindow = 15 * time.Minute
	// DefaultMaxBody is how many bytes of a body a Verifier reads.
	DefaultMaxBody = 1 << 20
)

// Keys are the keys that a Verifier accepts: a *Key, a KeyList, a *KeySet, or
// your own.
type Keys interface {
	// Accepted are the keys that are accepted at that time. The Verifier does
	// not change the slice.
	Accepted(at time.Time) []*Key
}

// KeyList are keys that are accepted for good.
type KeyList []*Key

// Accepted are the keys of the list.
func (l KeyList) Accepted(time.Time) []*Key { return l }

// VerifierOptions say what a Verifier demands. The zero value is safe.
type VerifierOptions struct {
	// Header carries the signature; left out: DefaultHeader.
	Header string
	// Window is how far the date may be from the clock, in both directions;
	// left out: DefaultWindow.
	Window time.Duration
	// MaxBody is how many bytes of a body are read; left out: DefaultMaxBody.
	// Bodies that are not signed are not read.
	MaxBody int64
	// AllowUnsignedPayload accepts requests whose body is not signed. It is
	// needed where the binding says `payload: Unsigned`.
	AllowUnsignedPayload bool
	// AllowUnsignedHost accepts signatures that leave the host out. Who captures
	// such a request can replay it at every backend that accepts the key.
	AllowUnsignedHost bool
	// RequiredHeaders have to be signed if the request has them. Without this,
	// somebody between gateway and backend can add a header that the signer
	// signs only where there is one.
	RequiredHeaders []string
	// Now is the clock; left out: time.Now.
	Now func() time.Time
	// Logger gets what Handler refuses, with the reason; left out: nothing is
	// logged.
	Logger *slog.Logger
	// OnRefusal is called for what Handler refuses, with a *Refusal.
	OnRefusal func(r *http.Request, err error)
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	keys    Keys
	options VerifierOptions
}

// NewVerifier makes a Verifier of the keys. It fails on options that make no
// sense.
func NewVerifier(keys Keys, options VerifierOptions) (*Verifier, error) {
	return &Verifier{keys: keys, options: options}, nil
}

// Verify checks the request as a server has received it, and returns the key
// that signed it. It reads the body if that is signed, MaxBody bytes at most,
// and puts one in its place that can be read again. The error is a *Refusal.
//
// It has to see the request before anything rewrites it: host is r.Host, path
// and query those of r.URL.
func (v *Verifier) Verify(r *http.Request) (*Key, error) {
	return nil, &Refusal{Reason: ErrNoSignature}
}

// VerifyRequest checks a request that is described by somebody else, and returns
// the key that signed it. The caller has read the body: without its digest in
// r.Payload, only requests with an unsigned payload can be accepted. The
// error is a *Refusal.
func (v *Verifier) VerifyRequest(r *Request) (*Key, error) {
	return nil, &Refusal{Reason: ErrNoSignature}
}

// Handler passes verified requests on to next. The others get 401 with
// PublicText, or 413 if the body is larger than MaxBody.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, PublicText, http.StatusUnauthorized)
	})
}
