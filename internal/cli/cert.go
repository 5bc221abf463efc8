package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/tlsconf"
)

// caLifetime is that of the authority. Its own renewal means to hand out ca.pem
// again, so it is long.
const caLifetime = 10 * 365 * 24 * time.Hour

func newCertCommand() *cobra.Command {
	var (
		c    certificates
		days int
	)
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Make a small CA and certificates for mutual TLS",
		Long: `Make a certification authority and certificates signed by it, for TLS between hosts,
relays and collectors. Each --name is one certificate, good for a server and for a
client; names of one certificate are separated by commas, and the first one is the
identity that the other side sees. Without --name there is one for this host and
one for a client called "client".

The authority is made in the folder when there is none yet, and used again later.
Keep ca-key.pem there; give every peer ca.pem and its own two files.

  syslane cert --dir tls --name collector.example.net,192.0.2.1 --name relay1.example.net
  syslane cert --dir tls --name relay2.example.net
  syslane cert --dir tls --name relay1.example.net --renew`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 1 {
				return errors.New("--days must be at least 1")
			}
			c.lifetime = time.Duration(days) * 24 * time.Hour
			return c.make(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.dir, "dir", "syslane-tls", "folder for the files")
	flags.StringArrayVar(&c.names, "name", nil, "a certificate for these names or addresses, separated by commas; may be repeated")
	flags.IntVar(&days, "days", 730, "how long the certificates are good")
	flags.BoolVar(&c.renew, "renew", false, "replace certificates that exist")
	return cmd
}

// certificates is what the command was asked to make.
type certificates struct {
	dir      string
	names    []string
	lifetime time.Duration
	renew    bool
}

func (c *certificates) make(out io.Writer) error {
	lists, err := c.lists()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	// All that could be in the way is looked for before anything is written.
	for _, names := range lists {
		if _, err := os.Lstat(c.certFile(names[0])); err == nil && !c.renew {
			return fmt.Errorf("%s exists; --renew replaces it", c.certFile(names[0]))
		}
	}
	authority, err := c.authority(out)
	if err != nil {
		return err
	}
	for _, names := range lists {
		certPEM, keyPEM, err := authority.Issue(names, c.lifetime)
		if err != nil {
			return err
		}
		fingerprint, err := tlsconf.FingerprintPEM(certPEM)
		if err != nil {
			return err
		}
		if err := writePair(c.certFile(names[0]), certPEM, c.keyFile(names[0]), keyPEM); err != nil {
			return err
		}
		fmt.Fprintf(out, "made %s and its key, for %s\n     %s\n", c.certFile(names[0]), strings.Join(names, ", "), fingerprint)
	}
	server, client := lists[0][0], lists[len(lists)-1][0]
	fmt.Fprintf(out, `
On a server, in the table of an [[input]] of type "tls" or "relp":
  tls = { cert_file = %q, key_file = %q, ca_file = %q }
On a client, in the table of an [[output]] of type "relp" or "syslog":
  tls = { cert_file = %q, key_file = %q, ca_file = %q }
`, c.certFile(server), c.keyFile(server), c.path("ca.pem"), c.certFile(client), c.keyFile(client), c.path("ca.pem"))
	return nil
}

// lists returns the names of each certificate.
func (c *certificates) lists() ([][]string, error) {
	if len(c.names) == 0 {
		host, err := os.Hostname()
		if err != nil || host == "" {
			host = "localhost"
		}
		return [][]string{{host, "localhost", "127.0.0.1", "::1"}, {"client"}}, nil
	}
	var lists [][]string
	for _, text := range c.names {
		var names []string
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		if len(names) == 0 || strings.ContainsAny(names[0], `/\`) || strings.HasPrefix(names[0], ".") || names[0] == "ca" {
			return nil, fmt.Errorf("--name %q: want a host name or an IP address, or several separated by commas", text)
		}
		lists = append(lists, names)
	}
	return lists, nil
}

func (c *certificates) path(name string) string { return filepath.Join(c.dir, name) }

// certFile and keyFile name the files of a certificate; a wildcard and the colons
// of an address would be awkward there.
func (c *certificates) certFile(name string) string { return c.path(fileName(name) + ".pem") }
func (c *certificates) keyFile(name string) string  { return c.path(fileName(name) + "-key.pem") }

func fileName(name string) string {
	return strings.NewReplacer("*", "_", ":", "-").Replace(name)
}

// authority reads the authority of the folder, or makes one.
func (c *certificates) authority(out io.Writer) (*tlsconf.Authority, error) {
	certFile, keyFile := c.path("ca.pem"), c.path("ca-key.pem")
	certPEM, certErr := os.ReadFile(certFile)
	keyPEM, keyErr := os.ReadFile(keyFile)
	switch {
	case certErr == nil && keyErr == nil:
		a, err := tlsconf.LoadAuthority(certPEM, keyPEM)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
		}
		if time.Now().After(a.NotAfter()) {
			return nil, fmt.Errorf("%s expired on %s; make a new authority in another folder", certFile, a.NotAfter().Format(time.DateOnly))
		}
		return a, nil
	case !errors.Is(certErr, fs.ErrNotExist) || !errors.Is(keyErr, fs.ErrNotExist):
		return nil, fmt.Errorf("of the authority only one file can be read; put the other back, or choose another --dir: %w", errors.Join(certErr, keyErr))
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	a, err := tlsconf.NewAuthority("Syslane CA of "+host, caLifetime)
	if err != nil {
		return nil, err
	}
	if certPEM, keyPEM, err = a.PEM(); err != nil {
		return nil, err
	}
	if err := writePair(certFile, certPEM, keyFile, keyPEM); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "made %s, the authority; its key %s stays here\n", certFile, keyFile)
	return a, nil
}

// writePair writes a certificate and its key. Each file appears whole: a service
// that reloads them must not see half of one.
func writePair(certFile string, certPEM []byte, keyFile string, keyPEM []byte) error {
	if err := writeNew(keyFile, keyPEM, 0o600); err != nil {
		return err
	}
	if err := writeNew(certFile, certPEM, 0o644); err != nil {
		return err
	}
	return errors.Join(os.Rename(keyFile+".new", keyFile), os.Rename(certFile+".new", certFile))
}

// writeNew writes what is to replace a file, for those to whom that belongs and who may
// read it, if it is there: a service reads its key as another user than made it.
func writeNew(path string, text []byte, mode fs.FileMode) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := os.Chown(fresh, int(stat.Uid), int(stat.Gid)); err != nil {
				return fmt.Errorf("%w: run this as root, or as the owner of %s", err, path)
			}
		}
	}
	return os.Chmod(fresh, mode)
}
