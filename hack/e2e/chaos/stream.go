// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// streams are the watches of one manager.
type streams struct {
	name    string
	dice    *dice
	journal *journal

	mu   sync.Mutex
	open []*stream
}

// stream is one watch. Its events can be held, in order, and it can be cut.
type stream struct {
	path string
	cut  context.CancelFunc

	mu    sync.Mutex
	until time.Time
	free  chan struct{}
}

func newStreams(name string, dice *dice, journal *journal) *streams {
	return &streams{name: name, dice: dice, journal: journal}
}

// serveWatch passes a watch on, event by event.
func (p *proxy) serveWatch(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	response, err := p.transport.RoundTrip(p.outgoing(ctx, r, nil))
	if err != nil {
		reset(w)
		return
	}
	defer func() { _ = response.Body.Close() }()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	flush(w)
	s := p.streams.add(r.URL.Path, cancel)
	defer p.streams.remove(s)
	buffer := make([]byte, 32*1024)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			s.wait(ctx)
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
			flush(w)
		}
		if err != nil {
			if ctx.Err() != nil {
				reset(w)
			}
			return
		}
	}
}

func flush(w http.ResponseWriter) {
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
}

// disturb holds or cuts one of the watches.
func (s *streams) disturb() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return
	}
	chosen := s.open[s.dice.below(len(s.open))]
	if s.dice.below(4) == 0 {
		s.journal.fault("", "watch cut", "%s: %s", s.name, chosen.path)
		chosen.cut()
		return
	}
	wait := s.dice.between(200*time.Millisecond, 6*time.Second)
	s.journal.fault("", "watch held", "%s: %s for %s", s.name, chosen.path, wait.Round(time.Millisecond))
	chosen.hold(wait)
}

func (s *streams) add(path string, cut context.CancelFunc) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &stream{path: path, cut: cut, free: make(chan struct{})}
	s.open = append(s.open, added)
	return added
}

func (s *streams) remove(gone *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, known := range s.open {
		if known == gone {
			s.open = append(s.open[:i:i], s.open[i+1:]...)
			return
		}
	}
}

func (s *streams) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.open {
		known.cut()
	}
}

func (s *streams) releaseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.open {
		known.release()
	}
}

// hold keeps back the events from now on.
func (s *stream) hold(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(d)
}

func (s *stream) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
	close(s.free)
	s.free = make(chan struct{})
}

// wait returns when events are not held.
func (s *stream) wait(ctx context.Context) {
	for {
		s.mu.Lock()
		left, free := time.Until(s.until), s.free
		s.mu.Unlock()
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-free:
			timer.Stop()
		case <-timer.C:
		}
	}
}
