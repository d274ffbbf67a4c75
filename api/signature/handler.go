// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"errors"
	"log/slog"
	"net/http"
)

// Handler passes verified requests to next. Other requests get 401 with PublicText,
// or 413 if the body is larger than MaxBody. Only Logger and OnRefusal receive the
// reason.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Verify(r)
		if err == nil {
			// The server closes what Verify has not replaced, after the response.
			if own, ok := r.Body.(*replayed); ok {
				defer own.Close() //nolint:errcheck // releases the memory of a signed body
			}
			next.ServeHTTP(w, r)
			return
		}
		v.report(r, err)
		if errors.Is(err, ErrBodyTooLarge) {
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
			return
		}
		// RFC 9110 requires a challenge. With "Basic", browsers would ask for a
		// password.
		w.Header().Set("WWW-Authenticate", "Signature")
		http.Error(w, PublicText, http.StatusUnauthorized)
	})
}

func (v *Verifier) report(r *http.Request, err error) {
	if v.options.OnRefusal != nil {
		v.options.OnRefusal(r, err)
	}
	if v.options.Logger != nil {
		v.options.Logger.LogAttrs(r.Context(), slog.LevelWarn, "Refused request",
			slog.String("reason", err.Error()), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.String("remote", r.RemoteAddr))
	}
}
