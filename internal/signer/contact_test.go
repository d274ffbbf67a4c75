// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// apiServer is a connection to an API server whose next response is chosen.
type apiServer struct {
	t         *testing.T
	transport http.RoundTripper
	status    int
	err       error
	body      io.Reader
}

func (a *apiServer) get(path string) io.Reader {
	a.t.Helper()
	response, err := a.transport.RoundTrip(httptest.NewRequestWithContext(a.t.Context(), http.MethodGet, path, nil))
	if err != nil {
		return nil
	}
	a.t.Cleanup(func() { _ = response.Body.Close() })
	return response.Body
}

func newAPIServer(t *testing.T, c *contacts) *apiServer {
	a := &apiServer{t: t, status: http.StatusOK, body: strings.NewReader("")}
	a.transport = c.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: a.status, Body: io.NopCloser(a.body)}, a.err
	}))
	return a
}

func TestAgeOfData(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newContacts(func() time.Time { return now })
	h := &health{store: newFixture(t).store, contacts: c, maxDataAge: 5 * time.Minute}
	server := newAPIServer(t, c)
	check := func(when string, want time.Duration, ready bool) {
		t.Helper()
		if got := c.age("secrets"); got != want {
			t.Errorf("%s: age %v, want %v", when, got, want)
		}
		if reason := h.unreadyReason(); (reason == "") != ready {
			t.Errorf("%s: unready because of %q", when, reason)
		}
	}
	check("before the first request", 0, true)
	server.body = io.MultiReader(strings.NewReader("event"), strings.NewReader("bookmark"))
	watch := server.get("/api/v1/namespaces/a/secrets?watch=true")
	server.get("/apis/signet.dev/v1alpha1/signaturekeys")
	server.get("/apis/signet.dev/v1alpha1/signaturebindings")
	now = now.Add(time.Minute)
	check("a minute later", time.Minute, true)
	_, _ = watch.Read(make([]byte, 10))
	check("after an event", 0, true)
	server.get("/api/v1/namespaces/b/secrets")
	now = now.Add(6 * time.Minute)
	_, _ = watch.Read(make([]byte, 10))
	check("another namespace is silent", 6*time.Minute, false)
	server.err = errors.New("no route to host")
	server.get("/api/v1/namespaces/b/secrets")
	check("it cannot be reached", 6*time.Minute, false)
	server.err, server.status = nil, http.StatusServiceUnavailable
	server.get("/api/v1/namespaces/b/secrets")
	check("the API server fails", 6*time.Minute, false)
	server.status = http.StatusForbidden
	server.get("/api/v1/namespaces/b/secrets")
	check("it is no longer served, and other kinds are silent", 0, false)
	h.maxDataAge = 0
	now = now.Add(time.Hour)
	check("without a limit", time.Hour, true)
}

func TestAgeOfDataIsAMetric(t *testing.T) {
	registry := prometheus.NewRegistry()
	registerContacts(registry, newContacts(time.Now))
	if count, err := testutil.GatherAndCount(registry, "signet_signer_data_age_seconds"); err != nil || count != len(watchedResources) {
		t.Errorf("%d series, %v", count, err)
	}
}

func TestAgeOfDataWithoutANamespaceThatIsLeft(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newContacts(func() time.Time { return now })
	server := newAPIServer(t, c)
	server.get("/api/v1/namespaces/team-a/secrets")
	server.get("/api/v1/namespaces/team-ab/secrets")
	now = now.Add(time.Minute)
	server.get("/api/v1/namespaces/team-ab/secrets")
	if got := c.age("secrets"); got != time.Minute {
		t.Errorf("age %v, want that of team-a", got)
	}
	c.leave("team-a")
	if got := c.age("secrets"); got != 0 {
		t.Errorf("age %v, want that of team-ab", got)
	}
}
