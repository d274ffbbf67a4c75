// SPDX-License-Identifier: Apache-2.0

package env

import (
	"net/http"
	"strings"
	"sync"
)

// RequestLog records the requests of a manager to the API server as "METHOD
// path", without watches and without writes that ended in a conflict, which
// changed nothing.
type RequestLog struct {
	fault func(*http.Request) error

	mu       sync.Mutex
	requests []string
}

func (l *RequestLog) wrap(next http.RoundTripper) http.RoundTripper {
	return RoundTripper(func(request *http.Request) (*http.Response, error) {
		if l.fault != nil {
			if err := l.fault(request); err != nil {
				return nil, err
			}
		}
		response, err := next.RoundTrip(request)
		conflict := err == nil && response.StatusCode == http.StatusConflict
		if request.URL.Query().Get("watch") == "" && !conflict {
			l.mu.Lock()
			l.requests = append(l.requests, request.Method+" "+request.URL.Path)
			l.mu.Unlock()
		}
		return response, err
	})
}

// RoundTripper is a function that is an http.RoundTripper.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f RoundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// Of returns the requests about a namespace, without those about Events.
func (l *RequestLog) Of(namespace string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, request := range l.requests {
		if strings.Contains(request, "/namespaces/"+namespace) && !strings.Contains(request, "/events") {
			found = append(found, request)
		}
	}
	return found
}

// Writes returns the requests of Of that change something, with paths relative
// to the namespace.
func (l *RequestLog) Writes(namespace string) []string {
	var writes []string
	for _, request := range l.Of(namespace) {
		if !strings.HasPrefix(request, http.MethodGet) {
			writes = append(writes, strings.Replace(request, "/namespaces/"+namespace, "", 1))
		}
	}
	return writes
}
