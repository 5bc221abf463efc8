package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecretSize is the most that is read from the file of a secret, in octets.
const maxSecretSize = 64 << 10

// Secret is a string that never prints itself: a password, token or key. In a
// file it is the text itself, "${NAME}", or "file:PATH" for the content of a
// file without its last line end; a relative PATH starts at the folder of the
// configuration file.
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
	return "(secret)"
}

// MarshalText returns what String does, for JSON, TOML and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// readSecret resolves what the configuration file in folder dir says of a secret.
func readSecret(text, dir string) (Secret, error) {
	path, ok := strings.CutPrefix(text, "file:")
	if !ok {
		return Secret{text}, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
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
