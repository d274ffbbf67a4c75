// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
)

// reloadInterval is the time between two reads of the files. The kubelet replaces
// a mounted Secret atomically. If files are written one by one, a read in between
// fails and the next one succeeds.
const reloadInterval = 10 * time.Second

// certificates reloads the files when they change. New connections use the last
// valid content.
type certificates struct {
	files   TLSFiles
	metrics *Metrics
	now     func() time.Time
	logger  logr.Logger
	current atomic.Pointer[tls.Config]
	read    [3][]byte
}

func newCertificates(files TLSFiles, metrics *Metrics, now func() time.Time, logger logr.Logger) (*certificates, error) {
	c := &certificates{files: files, metrics: metrics, now: now, logger: logger}
	_, err := c.load()
	return c, err
}

// watch reads the files at each interval until the context ends.
func (c *certificates) watch(ctx context.Context) {
	ticker := time.NewTicker(reloadInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch changed, err := c.load(); {
		case err != nil:
			c.logger.Error(err, "Failed to reload certificates, keeping the previous ones")
		case changed:
			c.logger.Info("Reloaded certificates")
		}
	}
}

// load reads the files and applies their content if it has changed.
func (c *certificates) load() (changed bool, err error) {
	var read [3][]byte
	for i, path := range []string{c.files.Certificate, c.files.Key, c.files.ClientCA} {
		if read[i], err = os.ReadFile(path); err != nil {
			return false, fmt.Errorf("read certificates: %w", err)
		}
	}
	if bytes.Equal(read[0], c.read[0]) && bytes.Equal(read[1], c.read[1]) && bytes.Equal(read[2], c.read[2]) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(read[0], read[1])
	if err != nil {
		return false, fmt.Errorf("parse %s and %s: %w", c.files.Certificate, c.files.Key, err)
	}
	authorities, expiry, err := parseAuthorities(read[2])
	if err != nil {
		return false, fmt.Errorf("parse %s: %w", c.files.ClientCA, err)
	}
	c.current.Store(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	})
	c.metrics.setExpiry("serving", pair.Leaf.NotAfter)
	c.metrics.setExpiry("client-authority", expiry)
	c.read = read
	return true, nil
}

// config returns the TLS configuration for a tracking listener. Each connection
// uses the current certificates and records the certificate of its client.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			conn, ok := hello.Conn.(*trackedConn)
			if !ok {
				return nil, errUntracked
			}
			config := c.current.Load().Clone()
			config.VerifyConnection = func(state tls.ConnectionState) error {
				return conn.acceptPeer(state, c, config.ClientCAs)
			}
			return config, nil
		},
	}
}

// parseAuthorities parses certificates in PEM. It also returns when the first of
// them expires.
func parseAuthorities(text []byte) (pool *x509.CertPool, expiry time.Time, err error) {
	pool = x509.NewCertPool()
	found := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, expiry, fmt.Errorf("parse authority: %w", err)
		}
		pool.AddCert(certificate)
		if !found || certificate.NotAfter.Before(expiry) {
			expiry = certificate.NotAfter
		}
		found = true
	}
	if !found {
		return nil, expiry, errors.New("no certificate found")
	}
	return pool, expiry, nil
}
