package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecretSize is the most that is read from the file of a secret, in octets.
const maxSecretSize = 64 << 10

// mask is what is shown of a secret.
const mask = "(secret)"

// Secret is a string that never prints itself: a password, token or key. In a
// file it is the text itself, "${NAME}", "file:PATH" for the content of a file
// without its last line end, where a relative PATH starts at the folder of the
// configuration file, or "credential:NAME" for the credential NAME that systemd
// passes (LoadCredential= and LoadCredentialEncrypted= of systemd.exec(5)).
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value} }

// Value returns the secret itself.
func (s Secret) Value() string { return s.value }

// Empty tells whether there is no secret.
func (s Secret) Empty() bool { return s.value == "" }

// Format hides the value from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns a mask, or "" where there is no secret.
func (s Secret) String() string {
	if s.Empty() {
		return ""
	}
	return mask
}

// MarshalText returns what String does, for JSON, TOML and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// readSecret resolves what the configuration file in folder dir says of a secret.
func readSecret(text, dir string) (Secret, error) {
	var path string
	switch kind, rest, _ := strings.Cut(text, ":"); kind {
	case "file":
		if path = rest; !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
	case "credential":
		var err error
		if path, err = credential(rest); err != nil {
			return Secret{}, err
		}
	default:
		if text == mask {
			return Secret{}, errors.New("that is how a secret is shown, not the secret; write it in, or file:PATH, ${NAME} or credential:NAME")
		}
		return Secret{text}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretSize+1))
	if err != nil {
		return Secret{}, err
	}
	value := strings.TrimRight(string(data), "\r\n")
	switch {
	case len(data) > maxSecretSize:
		return Secret{}, fmt.Errorf("%s: larger than %s; is it the right file?", path, Size(maxSecretSize))
	case value == "":
		return Secret{}, fmt.Errorf("%s: the file is empty", path)
	}
	return Secret{value}, nil
}

// credential returns the file of a credential that systemd passes.
func credential(name string) (path string, err error) {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return "", fmt.Errorf("credential:%s names no credential; want a name as in LoadCredential=NAME:PATH", name)
	}
	folder := os.Getenv("CREDENTIALS_DIRECTORY")
	if folder == "" {
		return "", noCredentialsError(name)
	}
	path = filepath.Join(folder, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("credential:%s: the unit passes none of this name; set LoadCredential=%s:PATH in it", name, name)
	}
	return path, nil
}

// noCredentialsError: a credential is named to a process that systemd passes none.
type noCredentialsError string

// Error says how a command is run with the credentials of a service.
func (name noCredentialsError) Error() string {
	return fmt.Sprintf(`credential:%s: only the processes of a unit have credentials, and this is none of them (CREDENTIALS_DIRECTORY is not set): while the service runs, begin the command with "runuser -u syslane -- env CREDENTIALS_DIRECTORY=/run/credentials/syslane-collector.service" (or syslane-relay.service), else with "systemd-run --pipe --uid=syslane --property=LoadCredential=%s:PATH", naming all files by their full paths; for the service itself set LoadCredential=%s:PATH in its unit`, string(name), string(name), string(name))
}
