package tlsconf

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrPeerNotPermitted is in the error of a handshake with a peer whose
// certificate is not among permitted_peers.
var ErrPeerNotPermitted = errors.New("peer is not among permitted_peers")

// peers is the parsed permitted_peers.
type peers struct {
	names        []string
	fingerprints map[[sha256.Size]byte]bool
}

func (p *peers) empty() bool { return len(p.names) == 0 && len(p.fingerprints) == 0 }

// CheckPeer tells what is wrong with an entry of permitted_peers.
func CheckPeer(entry string) error {
	_, err := parsePeers([]string{entry})
	return err
}

// parsePeers reads permitted_peers.
func parsePeers(list []string) (*peers, error) {
	p := &peers{fingerprints: make(map[[sha256.Size]byte]bool)}
	for _, s := range list {
		algorithm, digits, found := strings.Cut(s, ":")
		switch {
		case found && strings.EqualFold(algorithm, "SHA256"):
			b, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
			if err != nil || len(b) != sha256.Size {
				return nil, fmt.Errorf("permitted_peers: fingerprint %q: want SHA256: and 32 octets in hexadecimal", s)
			}
			p.fingerprints[[sha256.Size]byte(b)] = true
		case found && (strings.EqualFold(algorithm, "SHA1") || strings.EqualFold(algorithm, "MD5")):
			return nil, fmt.Errorf("permitted_peers: fingerprint %q: %s is not safe; give the SHA256 fingerprint, as openssl x509 -noout -fingerprint -sha256 prints it", s, algorithm)
		default:
			name := canonicalName(s)
			_, err := netip.ParseAddr(name)
			if err != nil && !validName(name) {
				return nil, fmt.Errorf("permitted_peers: %q: want a host name, a name with a left-most wildcard (*.example.net), an IP address, or SHA256: and a fingerprint", s)
			}
			p.names = append(p.names, name)
		}
	}
	return p, nil
}

// validName tells whether s is a host name, the left-most label of which may be "*".
func validName(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsAny(label, "*:/ \t") {
			return false
		}
	}
	return true
}

func canonicalName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// permits tells whether the certificate is among the peers.
func (p *peers) permits(cert *x509.Certificate) bool {
	if p.empty() || p.fingerprints[sha256.Sum256(cert.Raw)] {
		return true
	}
	for _, name := range p.names {
		if ip, err := netip.ParseAddr(name); err == nil {
			for _, have := range cert.IPAddresses {
				if a, ok := netip.AddrFromSlice(have); ok && a.Unmap() == ip.Unmap() {
					return true
				}
			}
			continue
		}
		for _, have := range certificateNames(cert) {
			if have = canonicalName(have); matchName(name, have) || matchName(have, name) {
				return true
			}
		}
	}
	return false
}

// matchName matches a name against a pattern whose left-most label may be "*",
// which stands for exactly one label (RFC 5425 §5.2).
func matchName(pattern, name string) bool {
	if pattern == name {
		return true
	}
	rest, wild := strings.CutPrefix(pattern, "*.")
	if !wild {
		return false
	}
	label, parent, ok := strings.Cut(name, ".")
	return ok && label != "" && label != "*" && parent == rest
}

// certificateNames returns the names a certificate is for: the dNSNames of its
// subjectAltName, or its common name where it has no subjectAltName at all.
func certificateNames(cert *x509.Certificate) []string {
	if len(cert.DNSNames) > 0 || len(cert.IPAddresses) > 0 || cert.Subject.CommonName == "" {
		return cert.DNSNames
	}
	return []string{cert.Subject.CommonName}
}

// Fingerprint returns the SHA-256 fingerprint of a certificate as rsyslog writes
// it: "SHA256:" and upper-case octets with colons between.
func Fingerprint(cert *x509.Certificate) string {
	const digits = "0123456789ABCDEF"
	sum := sha256.Sum256(cert.Raw)
	b := make([]byte, 0, len("SHA256")+3*len(sum))
	b = append(b, "SHA256"...)
	for _, v := range sum {
		b = append(b, ':', digits[v>>4], digits[v&15])
	}
	return string(b)
}

// Identity returns who the client of a server's connection is: the first name
// in its certificate where the certificate was verified by a CA, its fingerprint
// where it was permitted by that alone, "" where it showed none. The handshake
// must be complete.
func Identity(cs tls.ConnectionState) string {
	if len(cs.PeerCertificates) == 0 {
		return ""
	}
	cert := cs.PeerCertificates[0]
	if len(cs.VerifiedChains) > 0 {
		if names := certificateNames(cert); len(names) > 0 {
			return names[0]
		}
		if len(cert.IPAddresses) > 0 {
			return cert.IPAddresses[0].String()
		}
	}
	return Fingerprint(cert)
}
