package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Client returns the configuration of a client. It reads the files, so that
// every mistake in them is found before a connection is tried.
//
// Without permitted_peers the server is verified by its path to a CA and by
// server_name, or by the ServerName that the caller or tls.Dialer sets; the CA
// file is then read once. With permitted_peers the server must be one of them,
// whatever name was dialled: by path and name, or by fingerprint. The client
// certificate is reloaded in either case.
func Client(o Options) (*tls.Config, error) {
	fail := func(err error) (*tls.Config, error) { return nil, fmt.Errorf("tls of %s: %w", o.Name, err) }
	if (o.CertFile == "") != (o.KeyFile == "") {
		return fail(errors.New("cert_file and key_file belong together; give both or neither"))
	}
	if o.ClientAuth != "" {
		return fail(errors.New("client_auth is for servers; a client shows cert_file when it is asked"))
	}
	permitted, err := parsePeers(o.PermittedPeers)
	if err != nil {
		return fail(err)
	}
	config := &tls.Config{CipherSuites: cipherSuites, ServerName: o.ServerName}
	if config.MinVersion, err = o.minVersion(); err != nil {
		return fail(err)
	}
	files, err := newFiles(o, func(*material) {})
	if err != nil {
		return fail(err)
	}
	config.RootCAs = files.current().roots
	if o.CertFile != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return files.current().cert, nil
		}
	}
	if !permitted.empty() {
		// The standard verification wants the dialled name in the certificate;
		// here permitted_peers stands in for that name, so both checks are made below.
		config.InsecureSkipVerify = true
		byPath := o.CAFile != "" || len(permitted.names) > 0
		config.VerifyConnection = func(cs tls.ConnectionState) error {
			if byPath {
				if err := verifyPath(cs, files.current().roots); err != nil {
					return err
				}
			}
			return verifyPermitted(permitted, cs)
		}
	}
	return config, nil
}

// verifyPath verifies the server's certificate up to one of roots (nil: those of
// the operating system), without regard to its name.
func verifyPath(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("server showed no certificate")
	}
	between := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}
