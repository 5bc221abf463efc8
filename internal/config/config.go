// Package config reads Syslane's TOML files into structs, strictly: an unknown
// key, a value of the wrong type, an unset environment variable or a missing
// file is an error that names file, line, key and what is accepted, and all
// errors of all files are reported at once.
//
// A role has one main file, and the files conf.d/*.toml in the same folder are
// merged into it in the order of their names:
//
//   - a table is merged key by key with the table of the same name;
//   - tables of an array ([[input]]) are added after those that are there;
//   - any other value replaces the one before: the last file wins. File.Overrides
//     says where that was so.
//
// A key that is a table in one file and something else in another is an error.
//
// In every string, ${NAME} stands for the environment variable NAME,
// ${NAME:-text} for text where NAME is unset or empty, and $${ for a plain "${". A
// secret can also be in a file or be a credential of systemd's (Secret).
//
// Decode fills the fields that carry a `toml:"key"` tag; `toml:"key,required"`
// makes a missing key an error. A field whose key is absent keeps what it holds, or
// gets what its tag `default:"text"` says. A tag `enum:"a,b"` lists for the schema of
// editors what the field takes; to refuse others is for its owner. Besides the plain types of Go a field can
// be a time.Duration ("5s", "7d"), a Size ("64MiB"), a Secret, a Table kept for
// later, anything with UnmarshalText, and structs, slices, maps and pointers of
// these.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// MaxFileSize is the largest file that is read, in octets. It bounds how deep
// arrays can nest, and with that the stack that parsing takes.
const MaxFileSize = 1 << 20

// File is a main file with what was merged into it. Its embedded Table is the
// document's top level. Not safe for concurrent use.
type File struct {
	Table
	paths []string
	// pending holds the tables that were kept for later and not decoded yet.
	pending map[*node]struct{}
	errs    Errors
	// leave is that of LeaveCredentials, left what Left returns.
	leave bool
	left  []Left
}

// Left is a credential that was not read.
type Left struct {
	Pos Pos
	// Key is the dotted key, Name that of the credential.
	Key, Name string
}

// LeaveCredentials lets what is decoded from now on name credentials of systemd's that
// this process is not passed: for who looks at a configuration and uses no secret. Each
// stands for itself, as a text that is another for another.
func (f *File) LeaveCredentials() { f.leave = true }

// Left returns the credentials that LeaveCredentials has let pass, in their order.
func (f *File) Left() []Left {
	slices.SortFunc(f.left, func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Pos.order, b.Pos.order), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return f.left
}

// Load reads the file at path and conf.d/*.toml beside it. Where octets are no
// TOML the error says where; nothing is checked against a struct yet.
func Load(path string) (*File, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	f, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(filepath.Dir(path), "conf.d")
	parts, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	for _, entry := range parts {
		if !strings.HasSuffix(entry.Name(), ".toml") || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		part := filepath.Join(folder, entry.Name())
		data, err := readLimited(part)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		root, err := parseTree(part, data, len(f.paths))
		if err != nil {
			return nil, err
		}
		f.node.merge(root, func(ours, theirs *node) {
			f.add(&Error{Pos: theirs.pos, Key: theirs.path(), Text: fmt.Sprintf("%s is %s here and %s at %s; write both in the same way",
				theirs.path(), theirs.sort(), ours.sort(), ours.pos)})
		})
		f.paths = append(f.paths, part)
	}
	return f, nil
}

// Parse reads one document from memory; name stands for its file in errors.
func Parse(name string, data []byte) (*File, error) {
	root, err := parseTree(name, data, 0)
	if err != nil {
		return nil, err
	}
	f := &File{paths: []string{name}, pending: make(map[*node]struct{})}
	f.Table = Table{file: f, node: root}
	return f, nil
}

// Paths returns the files that were read, in the order of merging.
func (f *File) Paths() []string { return f.paths }

// Check returns every error found so far, in the order of files and lines, as
// Errors: those that Decode and Errorf returned or, where there are none, one for each
// table that was kept for later and never decoded. It returns nil where there are none.
func (f *File) Check() error {
	errs := append(Errors(nil), f.errs...)
	if len(errs) == 0 { // else reading may have ended before these tables
		for n := range f.pending {
			errs = append(errs, &Error{Pos: n.pos, Text: fmt.Sprintf("%s is not read by anything here; remove it", n.where())})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	errs.sort()
	return errs
}

// add records err so that Check reports it, and returns it.
func (f *File) add(err *Error) error {
	if f != nil {
		f.errs = append(f.errs, err)
	}
	return err
}

func readLimited(path string) ([]byte, error) {
	fh, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; name another with --config", err)
		}
		return nil, err
	}
	defer fh.Close()
	data, err := io.ReadAll(io.LimitReader(fh, MaxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFileSize {
		return nil, fmt.Errorf("%s: larger than %s; is it a configuration?", path, Size(MaxFileSize))
	}
	return data, nil
}

// parseTree parses one document; order ranks its file among those merged.
func parseTree(name string, data []byte, order int) (*node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if isUTF16(data) {
		return nil, &Error{Pos: Pos{File: name, Line: 1, Column: 1, order: order}, Text: "the file is UTF-16; save it as UTF-8"}
	}
	var values map[string]any
	if _, err := toml.Decode(string(data), &values); err != nil {
		var pe toml.ParseError
		if !errors.As(err, &pe) {
			return nil, &Error{Pos: Pos{File: name, order: order}, Text: err.Error()}
		}
		return nil, &Error{Pos: syntaxPos(name, data, pe.Position), Text: pe.Message}
	}
	places, again := scan(data)
	if again != nil {
		return nil, &Error{Pos: Pos{File: name, Line: again.at.line, Column: again.at.column, order: order},
			Text: fmt.Sprintf("Key '%s' has already been made a table, in line %d.", again.key, again.before.line)}
	}
	b := builder{file: name, order: order}
	return b.table(nil, "", values, places), nil
}

// isUTF16 tells whether the file says of itself that it is UTF-16. The decoder passes
// over these two octets, and reads on.
func isUTF16(data []byte) bool {
	return bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff"))
}

// syntaxPos turns the decoder's position into ours. Its line is that after the
// error where a line end is what is wrong, so line and column are counted here
// from the offset.
func syntaxPos(name string, data []byte, at toml.Position) Pos {
	if at.Start <= 0 || at.Start > len(data) {
		return Pos{File: name, Line: at.Line}
	}
	before := data[:at.Start]
	start := bytes.LastIndexByte(before, '\n') + 1
	return Pos{File: name, Line: 1 + bytes.Count(before, []byte("\n")), Column: utf8.RuneCount(before[start:]) + 1}
}
