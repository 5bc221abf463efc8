package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// checkInterval is how long a change of the files may go unnoticed by a handshake.
const checkInterval = time.Second

// maxFileSize bounds what is read from a certificate, key or CA file; the CA
// bundles of operating systems have about 250 KiB.
const maxFileSize = 4 << 20

// material is what the files held at one time. It is not modified after build
// has seen it.
type material struct {
	cert   *tls.Certificate // nil where there is no cert_file
	roots  *x509.CertPool   // nil where there is no ca_file
	config *tls.Config      // servers only
	seen   [3]fs.FileInfo   // of cert_file, key_file, ca_file
}

// files holds the newest usable material.
type files struct {
	paths [3]string
	build func(*material)
	log   zerolog.Logger
	now   atomic.Pointer[material]

	// mu is held by the one handshake that looks at the files; others go on
	// with what is there.
	mu        sync.Mutex
	next      time.Time // of the next look
	complaint string    // the failure that was last reported, "" after a success

	reloads, failures prometheus.Counter
	failing           prometheus.Gauge
}

// errNoPair: the key is not that of the certificate.
var errNoPair = errors.New("private key does not match public key")

// At the start files that are no pair are read so many times more, after such a pause.
const (
	pairAttempts = 5
	pairPause    = 100 * time.Millisecond
)

func newFiles(o Options, build func(*material)) (*files, error) {
	f := &files{paths: [3]string{o.CertFile, o.KeyFile, o.CAFile}, build: build,
		log: o.Logger.With().Str("endpoint", o.Name).Logger()}
	m, err := f.load()
	// Who renews a certificate replaces its files one after the other.
	for range pairAttempts {
		if !errors.Is(err, errNoPair) {
			break
		}
		time.Sleep(pairPause)
		m, err = f.load()
	}
	if err != nil {
		return nil, err
	}
	f.now.Store(m)
	f.next = time.Now().Add(checkInterval)
	if m.cert != nil && time.Now().After(m.cert.Leaf.NotAfter) {
		f.log.Warn().Str("cert_file", o.CertFile).Time("not_after", m.cert.Leaf.NotAfter).
			Msg("certificate has expired; peers will refuse it until the file is renewed")
	}
	f.register(o)
	return f, nil
}

// current returns the newest usable material, after a look at the files if the
// last one was checkInterval ago.
func (f *files) current() *material {
	if f.mu.TryLock() {
		defer f.mu.Unlock()
		if now := time.Now(); !now.Before(f.next) {
			f.next = now.Add(checkInterval)
			f.check()
		}
	}
	return f.now.Load()
}

// check loads the files if they changed. mu is held.
func (f *files) check() {
	old := f.now.Load()
	if f.complaint == "" && !f.changed(old) {
		return
	}
	m, err := f.load()
	if err == nil && m.cert != nil && time.Now().After(m.cert.Leaf.NotAfter) && time.Now().Before(old.cert.Leaf.NotAfter) {
		err = fmt.Errorf("cert_file %s: the new certificate expired on %s", f.paths[0], m.cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	if err != nil {
		f.failures.Inc()
		f.failing.Set(1)
		if text := err.Error(); text != f.complaint {
			f.complaint = text
			f.log.Error().Err(err).Msg("changed TLS files cannot be used; the old certificate stays in use")
		}
		return
	}
	if f.complaint == "" || f.changed(old) {
		f.reloads.Inc()
		f.log.Info().Msg("TLS files reloaded")
	}
	f.complaint = ""
	f.failing.Set(0)
	f.now.Store(m)
}

// changed tells whether a file is another one than m was made from. A file that
// is gone has changed.
func (f *files) changed(m *material) bool {
	for i, path := range f.paths {
		if path == "" {
			continue
		}
		// Stat follows symbolic links: a link that is swung to another file, as
		// Kubernetes and certbot do it, shows another inode.
		info, err := os.Stat(path)
		if err != nil || !sameFile(info, m.seen[i]) {
			return true
		}
	}
	return false
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// load reads all files.
func (f *files) load() (*material, error) {
	m := &material{}
	var text [3][]byte
	for i, key := range [3]string{"cert_file", "key_file", "ca_file"} {
		if f.paths[i] == "" {
			continue
		}
		var err error
		if text[i], m.seen[i], err = readFile(f.paths[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	if f.paths[0] != "" {
		cert, err := keyPair(f.paths[0], f.paths[1], text[0], text[1])
		if err != nil {
			return nil, err
		}
		m.cert = cert
	}
	if f.paths[2] != "" {
		m.roots = x509.NewCertPool()
		if !m.roots.AppendCertsFromPEM(text[2]) {
			return nil, fmt.Errorf("ca_file %s: holds no certificate; want PEM blocks that begin with -----BEGIN CERTIFICATE-----", f.paths[2])
		}
	}
	f.build(m)
	return m, nil
}

// keyPair makes a certificate of the two files, with errors that say which of
// them is wrong.
func keyPair(certPath, keyPath string, certText, keyText []byte) (*tls.Certificate, error) {
	if block, _ := pem.Decode(certText); block == nil {
		return nil, fmt.Errorf("cert_file %s: is not PEM; want a file that begins with -----BEGIN CERTIFICATE-----", certPath)
	}
	if block, _ := pem.Decode(keyText); block == nil {
		return nil, fmt.Errorf("key_file %s: is not PEM; want a file that begins with -----BEGIN PRIVATE KEY-----", keyPath)
	} else if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("key_file %s: is encrypted; take the passphrase off it (openssl pkey) and keep the file readable for the service only", keyPath)
	}
	cert, err := tls.X509KeyPair(certText, keyText)
	if err != nil && strings.HasSuffix(err.Error(), errNoPair.Error()) { // crypto/tls has no value for it
		err = errNoPair
	}
	if err != nil {
		return nil, fmt.Errorf("cert_file %s and key_file %s: %w", certPath, keyPath, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("cert_file %s: %w", certPath, err)
		}
	}
	return &cert, nil
}

// readFile reads a file and says which one it was: the state is taken from the
// open file, so that a swap between the two cannot pair old octets with new state.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, nil, fmt.Errorf("%w; make it readable for the user that the service runs as", err)
		}
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, nil, fmt.Errorf("%s is not a file of at most %d octets", path, maxFileSize)
	}
	text := make([]byte, info.Size())
	n, err := file.ReadAt(text, 0)
	if n < len(text) {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return text, info, nil
}
