// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// stuckWrite returns a connection whose server writes to a client that reads one byte.
func stuckWrite(t *testing.T, d *Departure) (away *goAway, result <-chan error) {
	t.Helper()
	conn, client := net.Pipe()
	t.Cleanup(func() { _ = conn.Close() })
	away = &goAway{Conn: conn}
	d.follow(away)
	failed := make(chan error, 1)
	go func() {
		_, err := away.Write(make([]byte, frameHeader))
		failed <- err
	}()
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return away, failed
}

// expectReturn fails unless the function returns soon.
func expectReturn(t *testing.T, function func()) {
	t.Helper()
	returned := make(chan struct{})
	go func() {
		function()
		close(returned)
	}()
	select {
	case <-returned:
	case <-time.After(10 * time.Second):
		t.Fatal("waits for the client")
	}
}

// TestBeginDoesNotWaitForAClient has a server ask a client that does not read to leave.
func TestBeginDoesNotWaitForAClient(t *testing.T) {
	d := &Departure{}
	away, failed := stuckWrite(t, d)
	expectReturn(t, d.Begin)
	_ = away.Conn.Close()
	if err := <-failed; err == nil {
		t.Error("nothing was read, but the write succeeded")
	}
}

// TestCloseEndsAStuckWrite closes a connection whose client does not read.
func TestCloseEndsAStuckWrite(t *testing.T) {
	away, failed := stuckWrite(t, &Departure{})
	expectReturn(t, func() { _ = away.Close() })
	if err := <-failed; err == nil {
		t.Error("nothing was read, but the write succeeded")
	}
}

// TestCloseSendsWhatIsHeld closes a connection while frames are held back.
func TestCloseSendsWhatIsHeld(t *testing.T) {
	conn, client := net.Pipe()
	away := &goAway{Conn: conn}
	settings, response := make([]byte, frameHeader), make([]byte, 2*frameHeader)
	received := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(client)
		received <- bytes.ReplaceAll(all, pingFrame, nil)
	}()
	if _, err := away.Write(settings); err != nil {
		t.Fatal(err)
	}
	away.request()
	if _, err := away.Write(response); err != nil {
		t.Fatal(err)
	}
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := <-received, bytes.Join([][]byte{settings, goAwayFrame, response}, nil); !bytes.Equal(got, want) {
		t.Errorf("received %v, want %v", got, want)
	}
}
