// Package tlsconf makes the TLS configuration of every listener and client from
// one set of options, by the rules of RFC 5425 and RFC 9662: TLS 1.2 with
// ephemeral keys and authenticated ciphers only, and TLS 1.3; mutual
// authentication by certification path and name, or by fingerprint.
//
// Certificates, keys and CA files are read again when they change on disk, so
// that a renewal needs no restart: each handshake looks at the files, at most
// once a second, through symbolic links. A new file that cannot be used is
// reported (log and metric) and the old material stays in use.
package tlsconf

import (
	"crypto/tls"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// The values of Options.ClientAuth.
const (
	// ClientAuthNone asks clients for no certificate.
	ClientAuthNone = "none"
	// ClientAuthRequire wants a certificate: issued by a CA of ca_file where one
	// is given, and among permitted_peers where any are given.
	ClientAuthRequire = "require"
)

// Options is a tls table of the configuration, for either side.
type Options struct {
	// CertFile holds the own certificate in PEM, followed by its chain; KeyFile
	// its private key in PEM. A server needs both; a client only where the
	// server wants to know it.
	CertFile string `toml:"cert_file"`
	KeyFile  string `toml:"key_file"`
	// CAFile holds the CA certificates, in PEM, by which the peer is verified.
	// A client without one uses those of the operating system.
	CAFile string `toml:"ca_file"`
	// ClientAuth is "none" or "require", servers only. Empty
	// means require where ca_file or permitted_peers is given, none otherwise.
	ClientAuth string `toml:"client_auth" enum:"none,require"`
	// PermittedPeers are the peers that may connect, or be connected to: names
	// ("relay1.example.net", "*.example.net", an IP address), matched against
	// the certificate's subjectAltName or, where it has none, its common name;
	// or fingerprints as rsyslog writes them ("SHA256:AB:CD:…"). One match is
	// enough. Names need ca_file on a server. Fingerprints alone need no CA: the
	// certificate may then be self-signed, and its dates are not looked at. With
	// ca_file, a fingerprint is asked for on top of a valid path.
	PermittedPeers []string `toml:"permitted_peers"`
	// MinVersion is "1.2" (default) or "1.3".
	MinVersion string `toml:"min_version" default:"1.2" enum:"1.2,1.3"`
	// ServerName, clients only, is the name that the server's certificate must
	// carry, where it is not the host name that is dialled.
	ServerName string `toml:"server_name"`

	// Verify, clients only, stands in for the verification by path and name.
	Verify func(tls.ConnectionState) error `toml:"-"`
	// Name says whose TLS this is, in the log and as the label "endpoint" of the
	// metrics, e.g. "input tls-6514".
	Name string `toml:"-"`
	// Logger reports reloads and files that cannot be used.
	Logger zerolog.Logger `toml:"-"`
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer `toml:"-"`
}

// cipherSuites are those of TLS 1.2 that RFC 9662 §4 leaves: ephemeral key
// exchange and authenticated encryption. TLS 1.3 chooses for itself.
var cipherSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// minVersion reads MinVersion.
func (o *Options) minVersion() (uint16, error) {
	switch o.MinVersion {
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("min_version %q: want \"1.2\" or \"1.3\"", o.MinVersion)
}

// requireClient tells whether a server wants a client certificate, and refuses
// options that contradict each other.
func (o *Options) requireClient(p *peers) (bool, error) {
	switch o.ClientAuth {
	case "":
		if o.CAFile == "" && p.empty() {
			return false, nil
		}
	case ClientAuthNone:
		if !p.empty() {
			return false, fmt.Errorf("permitted_peers are given, but client_auth = %q asks no client who it is; remove one of them", ClientAuthNone)
		}
		return false, nil
	case ClientAuthRequire:
		if o.CAFile == "" && p.empty() {
			return false, fmt.Errorf("client_auth = %q needs ca_file, permitted_peers or both, to tell which certificates are good", ClientAuthRequire)
		}
	default:
		return false, fmt.Errorf("client_auth %q: want %q or %q", o.ClientAuth, ClientAuthNone, ClientAuthRequire)
	}
	if o.CAFile == "" && len(p.names) > 0 {
		return false, fmt.Errorf("permitted_peers names %q, but without ca_file a name proves nothing; give ca_file, or permit fingerprints only", p.names[0])
	}
	return true, nil
}
