package tlsconf

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// Server returns the configuration of a listener. It reads the files, so that
// every mistake in them is found before a port is bound, and each handshake
// afterwards uses the newest usable ones.
//
// Sessions are not resumed: a resumed session would outlive the withdrawal of
// the CA or the peer that it was verified by, and log connections are long.
func Server(o Options) (*tls.Config, error) {
	fail := func(err error) (*tls.Config, error) { return nil, fmt.Errorf("tls of %s: %w", o.Name, err) }
	if o.CertFile == "" || o.KeyFile == "" {
		return fail(errors.New("a server needs cert_file and key_file; syslane cert makes them"))
	}
	if o.ServerName != "" {
		return fail(errors.New("server_name is for clients; a server shows what is in cert_file"))
	}
	permitted, err := parsePeers(o.PermittedPeers)
	if err != nil {
		return fail(err)
	}
	require, err := o.requireClient(permitted)
	if err != nil {
		return fail(err)
	}
	base := &tls.Config{CipherSuites: cipherSuites, SessionTicketsDisabled: true}
	if base.MinVersion, err = o.minVersion(); err != nil {
		return fail(err)
	}
	if require {
		base.ClientAuth = tls.RequireAnyClientCert
		if o.CAFile != "" {
			base.ClientAuth = tls.RequireAndVerifyClientCert
		}
		base.VerifyConnection = func(cs tls.ConnectionState) error {
			return verifyPermitted(permitted, cs)
		}
	}
	files, err := newFiles(o, func(m *material) {
		m.config = base.Clone()
		m.config.Certificates = []tls.Certificate{*m.cert}
		m.config.ClientCAs = m.roots
	})
	if err != nil {
		return fail(err)
	}
	config := base.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return files.current().config, nil
	}
	return config, nil
}

// verifyPermitted refuses a peer that is not among the permitted ones.
func verifyPermitted(permitted *peers, cs tls.ConnectionState) error {
	if len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("%w: it showed no certificate", ErrPeerNotPermitted)
	}
	cert := cs.PeerCertificates[0]
	if !permitted.permits(cert) {
		return fmt.Errorf("%w: its certificate is for %q, fingerprint %s", ErrPeerNotPermitted, certificateNames(cert), Fingerprint(cert))
	}
	return nil
}
