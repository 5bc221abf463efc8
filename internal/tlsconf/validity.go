package tlsconf

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Validity is when what a certificate file holds is good.
type Validity struct {
	// Key is that of Options, File its value.
	Key, File string
	// Subject names the certificate that is good for the shortest time.
	Subject             string
	NotBefore, NotAfter time.Time
}

// Validities returns when the certificates that o names are good: of cert_file as
// long as the whole chain is, of ca_file as long as any is, for a bundle may well
// hold some that have ended.
func (o *Options) Validities() ([]Validity, error) {
	var all []Validity
	for _, f := range []struct {
		key, path string
		any       bool
	}{{"cert_file", o.CertFile, false}, {"ca_file", o.CAFile, true}} {
		if f.path == "" {
			continue
		}
		text, _, err := readFile(f.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
		v := Validity{Key: f.key, File: f.path}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if block.Type != "CERTIFICATE" || err != nil {
				continue // Client and Server say what is wrong with a file
			}
			if v.NotAfter.IsZero() || cert.NotAfter.After(v.NotAfter) == f.any {
				v.Subject, v.NotAfter = subject(cert), cert.NotAfter
			}
			if v.NotBefore.IsZero() || cert.NotBefore.Before(v.NotBefore) == f.any {
				v.NotBefore = cert.NotBefore
			}
		}
		if !v.NotAfter.IsZero() {
			all = append(all, v)
		}
	}
	return all, nil
}

// subject is what people know a certificate by.
func subject(cert *x509.Certificate) string {
	switch {
	case cert.Subject.CommonName != "":
		return cert.Subject.CommonName
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0]
	}
	return cert.Subject.String()
}
