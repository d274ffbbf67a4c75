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

// lookAtFiles is how often the files are read again. A kubelet swaps a mounted
// Secret as a whole; whoever writes files one by one may be read in between, and
// is read again.
const lookAtFiles = 10 * time.Second

// TLSFiles are the paths of what the faces are served with.
type TLSFiles struct {
	// Certificate and Key are the signer's own, ClientCA the authorities that
	// may issue certificates to callers.
	Certificate, Key, ClientCA string
}

// Given says that there are any.
func (f TLSFiles) Given() bool { return f != TLSFiles{} }

// certificates follows the files: what is read last and makes sense is in force
// for new connections.
type certificates struct {
	files   TLSFiles
	metrics *Metrics
	logger  logr.Logger
	current atomic.Pointer[tls.Config]
	read    [3][]byte
}

func newCertificates(files TLSFiles, metrics *Metrics, logger logr.Logger) (*certificates, error) {
	c := &certificates{files: files, metrics: metrics, logger: logger}
	_, err := c.load()
	return c, err
}

// follow reads the files again and again until the context ends.
func (c *certificates) follow(ctx context.Context) {
	ticker := time.NewTicker(lookAtFiles)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch changed, err := c.load(); {
		case err != nil:
			c.logger.Error(err, "the certificates' files make no sense: those before stay in force")
		case changed:
			c.logger.Info("took up changed certificates")
		}
	}
}

// load puts what is in the files into force, if that has changed.
func (c *certificates) load() (changed bool, err error) {
	var read [3][]byte
	for i, path := range []string{c.files.Certificate, c.files.Key, c.files.ClientCA} {
		if read[i], err = os.ReadFile(path); err != nil {
			return false, fmt.Errorf("read a certificate: %w", err)
		}
	}
	if bytes.Equal(read[0], c.read[0]) && bytes.Equal(read[1], c.read[1]) && bytes.Equal(read[2], c.read[2]) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(read[0], read[1])
	if err != nil {
		return false, fmt.Errorf("read %s and %s: %w", c.files.Certificate, c.files.Key, err)
	}
	authorities, ends, err := readAuthorities(read[2])
	if err != nil {
		return false, fmt.Errorf("read %s: %w", c.files.ClientCA, err)
	}
	c.current.Store(&tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	})
	c.metrics.expires("serving", pair.Leaf.NotAfter)
	c.metrics.expires("client-authority", ends)
	c.read = read
	return true, nil
}

// config is what a listener behind a door uses: each connection gets what is in
// force, and is told of the certificate that it has shown.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			over, ok := hello.Conn.(*trackedConn)
			if !ok {
				return nil, errNoDoor
			}
			config := c.current.Load().Clone()
			config.VerifyConnection = func(state tls.ConnectionState) error {
				return over.shown(state, c, config.ClientCAs)
			}
			return config, nil
		},
	}
}

// readAuthorities reads certificates from PEM, and says when the first ends.
func readAuthorities(text []byte) (pool *x509.CertPool, ends time.Time, err error) {
	pool = x509.NewCertPool()
	found := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ends, fmt.Errorf("read an authority: %w", err)
		}
		pool.AddCert(certificate)
		if !found || certificate.NotAfter.Before(ends) {
			ends = certificate.NotAfter
		}
		found = true
	}
	if !found {
		return nil, ends, errors.New("there is no certificate in it")
	}
	return pool, ends, nil
}
