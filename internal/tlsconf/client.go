package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Client is the TLS of what connects to servers, for as long as it does. It makes
// the configuration of each connection, since a tls.Config of a client cannot read
// a renewed CA file by itself: its VerifyConnection is not told of an IP address
// that was dialled, so that it cannot stand in for RootCAs.
type Client struct {
	// config lacks the roots, and without server_name the name of the server.
	config *tls.Config
	files  *files
}

// NewClient reads the files, so that every mistake in them is found before a
// connection is tried.
//
// Without permitted_peers the server is verified by its path to a CA and by
// server_name, or by the host that is dialled. With permitted_peers the server must
// be one of them, whatever name was dialled: by path and name, or by fingerprint.
func NewClient(o Options) (*Client, error) {
	fail := func(err error) (*Client, error) { return nil, fmt.Errorf("tls of %s: %w", o.Name, err) }
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
	if o.CertFile != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return files.current().cert, nil
		}
	}
	switch {
	case o.Verify != nil:
		config.InsecureSkipVerify = true
		config.VerifyConnection = o.Verify
	case !permitted.empty():
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
	return &Client{config, files}, nil
}

// Config returns the configuration of a connection that is made now, with the
// newest usable CA file. host is the name or the IP address that is dialled; ""
// leaves it to what dials, as tls.Dialer and http.Transport set it by themselves.
func (c *Client) Config(host string) *tls.Config {
	return c.configBy(c.files.current().roots, host)
}

func (c *Client) configBy(roots *x509.CertPool, host string) *tls.Config {
	config := c.config.Clone()
	config.RootCAs = roots
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

// ClientConfig is Config of a new Client, for what does not live long: the CA file
// is read once.
func ClientConfig(o Options) (*tls.Config, error) {
	c, err := NewClient(o)
	if err != nil {
		return nil, err
	}
	return c.Config(""), nil
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
