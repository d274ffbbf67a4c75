// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The entries of the encoded data: those of a Secret of type kubernetes.io/tls,
// and the certificates to trust.
const (
	DataCertificate = "tls.crt"
	DataPrivateKey  = "tls.key"
	DataBundle      = "ca.crt"
)

const (
	certificateBlock = "CERTIFICATE"
	privateKeyBlock  = "PRIVATE KEY"
)

// Encode returns the authority in PEM. Its certificate is also the bundle.
func (a *Authority) Encode() (map[string][]byte, error) {
	return a.encodePair(a.certificate.Raw, a.key)
}

// EncodeIssued returns a certificate that the authority has issued in PEM. The
// bundle is the authority's certificate.
func (a *Authority) EncodeIssued(issued *tls.Certificate) (map[string][]byte, error) {
	return a.encodePair(issued.Certificate[0], issued.PrivateKey)
}

func (a *Authority) encodePair(certificate []byte, private crypto.PrivateKey) (map[string][]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return map[string][]byte{
		DataCertificate: encodeBlock(certificateBlock, certificate),
		DataPrivateKey:  encodeBlock(privateKeyBlock, key),
		DataBundle:      EncodeCertificate(a.certificate),
	}, nil
}

// DecodeAuthority reads an authority from data that Encode has returned.
func DecodeAuthority(data map[string][]byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(data[DataCertificate], data[DataPrivateKey])
	if err != nil {
		return nil, fmt.Errorf("decode authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || pair.Leaf == nil || !pair.Leaf.IsCA {
		return nil, errors.New("decode authority: not a certificate authority with an ECDSA key")
	}
	return &Authority{certificate: pair.Leaf, key: key}, nil
}

// EncodeCertificate returns the certificate in PEM.
func EncodeCertificate(certificate *x509.Certificate) []byte {
	return encodeBlock(certificateBlock, certificate.Raw)
}

func encodeBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
