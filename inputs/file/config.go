// Package file is the input for programs that only write files: it follows them
// as they grow, each line a message.
//
// How far each file was read is kept in the log, in one step with the messages
// read (inputs.MarkSink): whenever the process or the machine stops, reading goes
// on behind the last line that was stored, and no line is stored twice.
//
// A file is known by its device, inode and a digest of its first octets, not by
// its name, so that rotation does not confuse it:
//
//	renamed    it is read to its end and for a while longer, under whatever name;
//	           also where it was renamed while no Syslane ran, within its folder
//	deleted    it is read to its end, as long as it is open here
//	truncated  reading begins again at its start; what was written between the
//	           last reading and the truncation (copytruncate) is lost
//	replaced   a new file that got the same inode has other first octets
//	away       where its folder is not there or cannot be looked into, as with a file
//	           system that is not mounted for a while, its place is kept for an hour
//
// A line that has no end yet waits for it, and becomes a message, flagged, when
// none has come for a time. Compressed files are not followed. inotify tells what
// has changed; what it does not tell (network file systems) shows in a scan from
// time to time.
//
// One goroutine reads all files of an input in turn, as fast as the log takes
// what was read.
package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
)

// Defaults of Config.
const (
	DefaultScanInterval = 10 * time.Second
	DefaultFlushAfter   = 10 * time.Second
	DefaultMaxOpenFiles = 512
	DefaultMaxFiles     = 20_000
)

// maxMessageSizeLimit is the greatest max_message_size: a message must fit into
// a batch of the log with its envelope.
const maxMessageSizeLimit = 8 << 20

// Config says which files to follow, and how. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input, and the places in
	// the files are kept under it.
	Name string
	// Include are the patterns of the files, absolute, as filepath.Match has them:
	// a star stands for anything within one name.
	Include []string
	// Exclude are the patterns of files not to follow: of paths, or, where they
	// have no slash, of names.
	Exclude []string
	// Host is the name of this machine, for lines that name no host.
	Host string
	// MaxMessageSize is the most octets kept of a line; what is longer is cut and
	// flagged (WarnTruncated). Default 64 KiB.
	MaxMessageSize int
	// FlushAfter is how long a line without an end waits for it. What follows
	// later is a message of its own. Default 10 s.
	FlushAfter time.Duration
	// ScanInterval is how often new and rotated files are looked for, besides what
	// inotify tells. Default 10 s.
	ScanInterval time.Duration
	// MaxOpenFiles is the most files open at once; those that were quiet for the
	// longest time are closed. Default 512.
	MaxOpenFiles int
	// MaxFiles is the most files followed. Further ones are not read, which is
	// logged and a metric. Default 20,000.
	MaxFiles int

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("file input: it needs a name")
	}
	if len(c.Include) == 0 {
		return fmt.Errorf("input %q: include is empty: name the files to follow, as \"/var/log/app/*.log\"", c.Name)
	}
	c.Include = slices.Clone(c.Include)
	for i, p := range c.Include {
		if err := CheckInclude(p); err != nil {
			return fmt.Errorf("input %q: include %q: %w", c.Name, p, err)
		}
		c.Include[i] = filepath.Clean(p)
	}
	for _, p := range c.Exclude {
		if err := CheckExclude(p); err != nil {
			return fmt.Errorf("input %q: exclude %q: %w", c.Name, p, err)
		}
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 1 || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want 1 to %d octets", c.Name, c.MaxMessageSize, maxMessageSizeLimit)
	}
	for _, o := range []struct {
		key   string
		value *time.Duration
		usual time.Duration
	}{{"flush_after", &c.FlushAfter, DefaultFlushAfter}, {"scan_interval", &c.ScanInterval, DefaultScanInterval}} {
		if *o.value == 0 {
			*o.value = o.usual
		}
		if *o.value < 0 {
			return fmt.Errorf("input %q: %s is negative", c.Name, o.key)
		}
	}
	for _, o := range []struct {
		key   string
		value *int
		usual int
	}{{"max_open_files", &c.MaxOpenFiles, DefaultMaxOpenFiles}, {"max_files", &c.MaxFiles, DefaultMaxFiles}} {
		if *o.value == 0 {
			*o.value = o.usual
		}
		if *o.value < 1 {
			return fmt.Errorf("input %q: %s = %d: want at least 1", c.Name, o.key, *o.value)
		}
	}
	return nil
}

// CheckInclude tells what is wrong with a pattern of Config.Include.
func CheckInclude(p string) error {
	if !filepath.IsAbs(p) {
		return errors.New("want an absolute path, as \"/var/log/app/*.log\"")
	}
	return CheckExclude(p)
}

// CheckExclude tells what is wrong with a pattern of Config.Exclude.
func CheckExclude(p string) error {
	if strings.Contains(p, "**") {
		return errors.New("a star stands for one name: write \"/*/\" for each level of folders instead of \"**\"")
	}
	_, err := filepath.Match(p, "")
	return err
}
