// Package file is the file output: it writes events as lines into files, whose
// names may hold the host, the application and the time of a message.
//
//   - Write returns after fsync of every file it wrote to.
//   - A line is written once. What a crash interrupted is cut off at the next
//     start and written again: a note beside the files says how long each was
//     before the batch under way, and up to which position of the log lines are
//     in them for certain (see note.go).
//   - What a message says never leads out of the folder that the configuration
//     names: in a name, everything but letters, digits and a few signs becomes "_".
//
// Where another program changes a file while it is written (another writer, an
// editor), its lines are left alone; then, and where the note is lost, a crash may
// leave the lines of one batch twice.
package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// The formats of a line.
const (
	// Text is the line of rsyslog's RSYSLOG_FileFormat: time, host, tag, text.
	Text = "text"
	// JSON is the document of `syslane search --json`.
	JSON = "json"
	// Raw is the message as it was received.
	Raw = "raw"
)

// The compressions of rotated files.
const (
	None = "none"
	Gzip = "gzip"
	Zstd = "zstd"
)

// Config says what to write and where. Zero values are the defaults.
type Config struct {
	// Name is on every metric and log line of the output.
	Name string
	// Path is where to write, absolute. {host}, {app}, {input}, {source}, {facility}
	// and {severity} stand for fields of the message, {year}, {month}, {day} and {hour}
	// for the time at which the first Syslane received it, in Location.
	Path string
	// Format is Text (default), JSON or Raw. Control characters within a line are
	// written as rsyslog does, "#" and three octal digits.
	Format string
	// MaxSize rotates a file that a batch would make larger, in octets; 0 never does.
	// A file holds at least one batch.
	MaxSize int64
	// MaxAge rotates a file that was begun so long ago; 0 never does.
	MaxAge time.Duration
	// Keep is how many rotated files are kept of each; 0 is all.
	Keep int
	// Compress is None (default), Gzip or Zstd, for rotated files.
	Compress string
	// Mode is that of new files, default 0640; DirMode that of new folders, default
	// 0750.
	Mode, DirMode fs.FileMode
	// Location is the time zone of names and, in Text, of times. Default local.
	Location *time.Location
	// Observer is observer.hostname in JSON.
	Observer string
	// Beside says that another process may have the same output open: its note and the
	// names of the files are left to that. What is written comes from no log, and not
	// again after a crash.
	Beside bool

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

// Validate tells what New would refuse.
func (c Config) Validate() error { return c.setDefaults() }

// Folder is the folder below which all is written: that before the first field of
// Path; "" where Validate refuses it.
func (c Config) Folder() string {
	t, err := parseTemplate(c.Path)
	if err != nil {
		return ""
	}
	return t.base
}

func (c *Config) setDefaults() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("file output %q: "+format, append([]any{c.Name}, args...)...)
	}
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	set(&c.Format, Text)
	set(&c.Compress, None)
	switch {
	case c.Name == "":
		return errors.New("file output: it needs a name")
	case !filepath.IsAbs(c.Path):
		return fail("path %q is not absolute", c.Path)
	case c.Format != Text && c.Format != JSON && c.Format != Raw:
		return fail("format %q: want %q, %q or %q", c.Format, Text, JSON, Raw)
	case c.Compress != None && c.Compress != Gzip && c.Compress != Zstd:
		return fail("compress %q: want %q, %q or %q", c.Compress, None, Gzip, Zstd)
	case c.MaxSize < 0 || c.MaxAge < 0 || c.Keep < 0:
		return fail("max_size, max_age and keep must not be negative")
	}
	if c.Mode == 0 {
		c.Mode = 0o640
	}
	if c.DirMode == 0 {
		c.DirMode = 0o750
	}
	if c.Location == nil {
		c.Location = time.Local
	}
	t, err := parseTemplate(c.Path)
	if err != nil {
		return fail("path: %w", err)
	}
	if c.MaxSize == 0 && c.MaxAge == 0 {
		return nil
	}
	// A message could otherwise take the name of a rotated file.
	switch {
	case t.parts[len(t.parts)-1].field != nil:
		return fail("path %q: with max_size or max_age it must not end in a field; add an ending such as .log", c.Path)
	case t.endsAsRotated():
		return fail("path %q: with max_size or max_age it must not end as the name of a rotated file can; add an ending such as .log", c.Path)
	}
	return nil
}

// NamesRotated tells whether a message could have a file of this output take the name of
// one that was rotated by another. Where both rotate, Validate sees to that.
func (c Config) NamesRotated(other Config) bool {
	if c.MaxSize > 0 || c.MaxAge > 0 || other.MaxSize == 0 && other.MaxAge == 0 {
		return false
	}
	t, err := parseTemplate(c.Path)
	if err != nil || !t.endsAsRotated() {
		return false
	}
	// What stands for a field has no slash.
	own, theirs := strings.Split(filepath.Clean(c.Path), "/"), strings.Split(filepath.Clean(other.Path)+"-{}", "/")
	return slices.EqualFunc(own, theirs, mayBeSame)
}

// mayBeSame tells whether two parts of paths, with fields in them, can stand for the same
// name. It compares what is before the first field.
func mayBeSame(a, b string) bool {
	a, _, aVaries := strings.Cut(a, "{")
	b, _, bVaries := strings.Cut(b, "{")
	switch {
	case aVaries && bVaries:
		return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
	case aVaries:
		return strings.HasPrefix(b, a)
	case bVaries:
		return strings.HasPrefix(a, b)
	}
	return a == b
}
