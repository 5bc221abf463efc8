// Package oldlog reads log files that are not written to any more, plain or
// compressed with gzip or zstd, and finds out in which year each line was written.
//
// A file is read twice. The first time tells what it holds: a fingerprint of its
// content, which is the same however it is named or compressed, the number of its
// messages, and how often the year changes within. The second time hands out the
// messages, dated.
package oldlog

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// maxWindow bounds the memory that a zstd file may ask for. It is what the zstd
// command takes without being told otherwise.
const maxWindow = 128 << 20

// ErrDamaged is returned where a compressed file ends too soon or does not
// decompress. What came before it is good.
var ErrDamaged = errors.New("the compressed file is damaged")

// Options say how lines are read.
type Options struct {
	// MaxMessageSize is the most octets kept of a line; what is longer is cut and
	// flagged. 0 means syslog.DefaultMaxMessageSize.
	MaxMessageSize int
	// Location is the zone of timestamps that name none; nil is that of this host.
	Location *time.Location
	// Read, if set, is told how many octets of the file have been read, as they
	// lie on disk.
	Read func(n int)
}

// Survey is what the first reading of a file tells.
type Survey struct {
	// Fingerprint identifies the content.
	Fingerprint [16]byte
	// Messages is the number of lines that are not empty.
	Messages uint64
	// Damage is why the file cannot be read beyond those messages; nil where it
	// can. It is ErrDamaged or a failure of the disk.
	Damage error
	// firstYear is the year of the first timestamp that names none.
	firstYear int
}

// Take reads the whole file for the first time.
func Take(ctx context.Context, path string, o Options) (*Survey, error) {
	f, err := open(path, o)
	if err != nil {
		return nil, err
	}
	defer f.close()
	s := &Survey{}
	digest := sha256.New()
	lines := newLines(io.TeeReader(f.content, digest), o.MaxMessageSize)
	var c calendar
	options := parser.Options{Received: f.modified, Location: o.location(), MaxSkew: -1}
	relative, month, day := 0, 0, 0
	var m syslog.Message
	for ctx.Err() == nil {
		text, _, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			s.Damage = f.damage(err)
			break
		}
		s.Messages++
		m.Raw, m.Warnings = text, 0
		parser.Parse(&m, &options)
		if m.Warnings&syslog.WarnYearInferred != 0 {
			t := m.Time().In(options.Location)
			month, day = int(t.Month()), t.Day()
			relative = c.year(month, day)
		}
	}
	if s.firstYear = f.modified.In(options.Location).Year(); month > 0 {
		s.firstYear = lastYear(month, day, f.modified.In(options.Location)) - relative
	}
	copy(s.Fingerprint[:], digest.Sum(nil))
	return s, ctx.Err()
}

// Each reads the file again and calls take for each message, numbered from 0.
// The message is parsed and dated, and valid until take returns. What take returns
// ends the reading, and is returned.
func (s *Survey) Each(ctx context.Context, path string, o Options, take func(number uint64, m *syslog.Message) error) error {
	f, err := open(path, o)
	if err != nil {
		return err
	}
	defer f.close()
	lines := newLines(f.content, o.MaxMessageSize)
	d := dater{options: parser.Options{Received: f.modified, Location: o.location(), MaxSkew: -1}, first: s.firstYear}
	var m syslog.Message
	for number := range s.Messages {
		if err := ctx.Err(); err != nil {
			return err
		}
		text, w, err := lines.next()
		if err == io.EOF {
			return fmt.Errorf("%s has become shorter since it was first read: is it still written to?", path)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, f.damage(err))
		}
		m.Raw, m.Warnings = text, w
		d.parse(&m)
		if err := take(number, &m); err != nil {
			return err
		}
	}
	return nil
}

func (o *Options) location() *time.Location {
	if o.Location == nil {
		return time.Local
	}
	return o.Location
}

// file is an open file of old logs.
type file struct {
	path       string
	disk       *os.File
	content    io.Reader // decompressed
	compressed bool
	modified   time.Time
	closers    []func()
}

func open(path string, o Options) (*file, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, disk: disk, closers: []func(){func() { disk.Close() }}}
	if err := f.start(o); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *file) start(o Options) error {
	info, err := f.disk.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", f.path)
	}
	f.modified = info.ModTime()
	raw := bufio.NewReaderSize(&counter{f.disk, o.Read}, 256<<10)
	f.content = raw
	magic, err := raw.Peek(6)
	if err != nil && err != io.EOF {
		return err
	}
	f.compressed = true
	switch head := string(magic); {
	case hasPrefix(head, "\x1f\x8b"):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return fmt.Errorf("%s: %w: %w", f.path, ErrDamaged, err)
		}
		if t := z.ModTime; !t.IsZero() && t.Before(f.modified) {
			f.modified = t // that of the file which was compressed
		}
		f.content = z
	case hasPrefix(head, "\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		f.content, f.closers = z, append(f.closers, z.Close)
	case hasPrefix(head, "BZh"):
		f.content = bzip2.NewReader(raw)
	case hasPrefix(head, "\xfd7zXZ\x00"), hasPrefix(head, "PK\x03\x04"), hasPrefix(head, "\x04\x22\x4d\x18"):
		return fmt.Errorf("%s is compressed in a way that cannot be read: decompress it first", f.path)
	default:
		f.compressed = false
	}
	return nil
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

// damage tells a failure to decompress from one of the disk.
func (f *file) damage(err error) error {
	var disk *os.PathError
	if f.compressed && !errors.As(err, &disk) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

func (f *file) close() {
	for i := len(f.closers) - 1; i >= 0; i-- {
		f.closers[i]()
	}
}

// counter reports what is read.
type counter struct {
	io.Reader
	read func(int)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.read != nil {
		c.read(n)
	}
	return n, err
}
