package webhookcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Encode lays an authority out as the data of a Secret of type
// kubernetes.io/tls, with its certificate as ca.crt too.
func (a *Authority) Encode() (map[string][]byte, error) {
	return a.encode(a.certificate.Raw, a.key)
}

// EncodeIssued lays out a certificate that the authority has issued.
func (a *Authority) EncodeIssued(issued *tls.Certificate) (map[string][]byte, error) {
	return a.encode(issued.Certificate[0], issued.PrivateKey)
}

func (a *Authority) encode(certificate []byte, private crypto.PrivateKey) (map[string][]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return map[string][]byte{
		dataCertificate: encodeBlock(certificateBlock, certificate),
		dataKey:         encodeBlock(privateKeyBlock, key),
		dataBundle:      encodeBlock(certificateBlock, a.certificate.Raw),
	}, nil
}

// DecodeAuthority reads what Encode has laid out.
func DecodeAuthority(data map[string][]byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(data[dataCertificate], data[dataKey])
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || pair.Leaf == nil || !pair.Leaf.IsCA {
		return nil, errors.New("read the authority: not a certificate authority with an ECDSA key")
	}
	return &Authority{certificate: pair.Leaf, key: key}, nil
}

// Ends is when nothing that the authority has issued is valid any more.
func (a *Authority) Ends() time.Time { return a.certificate.NotAfter }

func encodeBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
