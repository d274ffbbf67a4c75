// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"io"
	"maps"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// contacts records when the API server was last heard from, for each watch. It sends
// something about once a minute, even if nothing changes.
type contacts struct {
	now func() time.Time

	mu sync.Mutex
	// begun is when the first request was sent.
	begun time.Time
	// last is the time of the last bytes of lists and watches, by the path of the
	// resource. A namespace that the server refuses is not in it: what the signer may
	// read is reported elsewhere.
	last map[string]time.Time
}

func newContacts(now func() time.Time) *contacts {
	return &contacts{now: now, last: map[string]time.Time{}}
}

// age returns how old the data of a resource can be, such as secrets: the longest time
// since one of its watches was heard from, or since the first request.
func (c *contacts) age(resource string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		return 0
	}
	oldest, found := c.begun, false
	for at, heard := range c.last {
		if path.Base(at) == resource && (!found || heard.Before(oldest)) {
			oldest, found = heard, true
		}
	}
	return c.now().Sub(oldest)
}

// maxAge returns the age of the oldest of all resources.
func (c *contacts) maxAge() time.Duration {
	var oldest time.Duration
	for _, resource := range watchedResources {
		oldest = max(oldest, c.age(resource))
	}
	return oldest
}

// watchedResources are the resources that the signer watches.
var watchedResources = []string{"secrets", "signaturebindings", "signaturekeys"}

// wrap records what arrives through a transport. It is for rest.Config.
func (c *contacts) wrap(base http.RoundTripper) http.RoundTripper {
	return recordingTransport{base: base, contacts: c}
}

type recordingTransport struct {
	base     http.RoundTripper
	contacts *contacts
}

// RoundTrip implements http.RoundTripper.
func (t recordingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	at := r.URL.Path
	t.contacts.begin()
	response, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		t.contacts.hear(at)
		response.Body = &recordedBody{ReadCloser: response.Body, heard: func() { t.contacts.hear(at) }}
	case http.StatusForbidden, http.StatusNotFound:
		t.contacts.forget(at)
	}
	return response, nil
}

func (c *contacts) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun.IsZero() {
		c.begun = c.now()
	}
}

func (c *contacts) hear(at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[at] = c.now()
}

func (c *contacts) forget(at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.last, at)
}

// leave drops what is known of a namespace that is no longer watched: the age of the
// others' data does not depend on it.
func (c *contacts) leave(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.last, func(at string, _ time.Time) bool { return strings.Contains(at, "/namespaces/"+namespace+"/") })
}

type recordedBody struct {
	io.ReadCloser
	heard func()
}

// Read implements io.Reader.
func (b *recordedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.heard()
	}
	return n, err
}
