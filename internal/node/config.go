package node

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/internal/web"
	"github.com/syslane/syslane/spool"
)

// Config is the configuration file of a role.
type Config struct {
	// State is the folder that holds the log and the dead letters. The --state
	// flag goes before it; without either it is the user's state folder.
	State   string         `toml:"state"`
	Log     LogConfig      `toml:"log"`
	HTTP    HTTPConfig     `toml:"http"`
	Logging LoggingConfig  `toml:"logging"`
	Search  SearchConfig   `toml:"search"`
	Inputs  []config.Table `toml:"input"`
	Outputs []config.Table `toml:"output"`
	// Rules, in the order in which they are applied.
	Transforms []config.Table `toml:"transform"`
	Routes     []config.Table `toml:"route"`
	// Dedupe says where repeats are suppressed, unless input or route say otherwise.
	Dedupe *dedupeKeys    `toml:"dedupe"`
	Limits []config.Table `toml:"limit"`
	// Alerts say what is told of, Notify how.
	Alerts []config.Table `toml:"alert"`
	Notify []config.Table `toml:"notify"`
}

// LogConfig is the table [log]: how the log on disk is kept.
type LogConfig struct {
	// Sync says when messages count as stored: "commit" (default) after fsync,
	// "interval" before an fsync that follows within SyncInterval, "os" when the
	// operating system has them.
	Sync         spool.SyncMode `toml:"sync" default:"commit" enum:"commit,interval,os"`
	SyncInterval time.Duration  `toml:"sync_interval" default:"1s"`
	// Codec compresses blocks: "auto" (default), "s2", "zstd" or "none".
	Codec spool.Codec `toml:"codec" default:"auto" enum:"auto,s2,zstd,none"`
	// SegmentSize is the size at which a new segment begins. Default 128MiB.
	SegmentSize config.Size `toml:"segment_size" default:"128MiB"`
	// MaxSize bounds the log on disk; 0 is no bound. A collector deletes the
	// oldest delivered segments; where none may be deleted, Full says what happens.
	MaxSize config.Size `toml:"max_size"`
	// MinFree is what is left free on the disk: with less, the log is full. A collector
	// deletes nothing for it but as Full = "drop-oldest" says. Default 64MiB.
	MinFree config.Size `toml:"min_free" default:"64MiB"`
	// Full says what a full log does: "block" (default) holds the inputs back,
	// "drop-newest" drops what comes and counts it by input, "drop-oldest" drops the
	// oldest segment and counts for each output what it loses.
	Full spool.FullPolicy `toml:"full" default:"block" enum:"block,drop-newest,drop-oldest"`
	// MaxAge is how long a collector keeps delivered messages; 0 is for ever.
	MaxAge time.Duration `toml:"max_age"`
}

// HTTPConfig is the table [http]: the address of search, metrics and health.
type HTTPConfig struct {
	// Listen is the address; "" serves no HTTP.
	Listen string `toml:"listen"`
	// Token is what clients must bring as "Authorization: Bearer …", for the role
	// "admin". Without any token only loopback addresses are allowed.
	Token config.Secret `toml:"token"`
	// Clients are others with a token of their own, of the role "read" (search,
	// status) or "admin" (metrics, too).
	Clients []web.Client `toml:"client"`
	// TLS serves HTTPS.
	TLS *tlsconf.Options `toml:"tls"`
}

// LoggingConfig is the table [logging]: what Syslane says of itself.
type LoggingConfig struct {
	// Level is "debug", "info" (default), "warn" or "error".
	Level string `toml:"level" default:"info" enum:"debug,info,warn,error"`
	// Format is "json", "text", or "auto" (default): text on a terminal.
	Format string `toml:"format" default:"auto" enum:"auto,json,text"`
}

// check refuses values that a node cannot work with; the file keeps the errors.
func (c *Config) check(f *config.File) {
	switch c.Log.Sync {
	case "", spool.SyncCommit, spool.SyncInterval, spool.SyncOS:
	default:
		f.Errorf("log.sync", "want %q, %q or %q", spool.SyncCommit, spool.SyncInterval, spool.SyncOS)
	}
	switch c.Log.Codec {
	case "", spool.CodecAuto, spool.CodecNone, spool.CodecS2, spool.CodecZstd:
	default:
		f.Errorf("log.codec", "want %q, %q, %q or %q", spool.CodecAuto, spool.CodecS2, spool.CodecZstd, spool.CodecNone)
	}
	switch c.Log.Full {
	case "", spool.FullBlock, spool.FullDropNewest, spool.FullDropOldest:
	default:
		f.Errorf("log.full", "want %q, %q or %q", spool.FullBlock, spool.FullDropNewest, spool.FullDropOldest)
	}
	if s := c.Log.MaxSize; s > 0 && s < spool.MinMaxSize {
		f.Errorf("log.max_size", "the least is %s; leave it out for a log without a bound", config.Size(spool.MinMaxSize))
	}
	if c.HTTP.Listen != "" {
		token := c.HTTP.Token
		if token.Empty() && len(c.HTTP.Clients) > 0 {
			token = c.HTTP.Clients[0].Token
		}
		if err := web.CheckListen(c.HTTP.Listen, token); err != nil {
			f.Errorf("http.listen", "%v", err)
		}
		if err := web.CheckClients(c.HTTP.Clients); err != nil {
			f.Errorf("http.client", "%v", err)
		}
	}
	if _, err := zerolog.ParseLevel(c.Logging.Level); err != nil {
		f.Errorf("logging.level", "want \"debug\", \"info\", \"warn\" or \"error\"")
	}
	switch c.Logging.Format {
	case "", "auto", "json", "text":
	default:
		f.Errorf("logging.format", "want \"auto\", \"json\" or \"text\"")
	}
}

// spoolConfig turns the table [log] into the log's own terms.
func (c *LogConfig) spoolConfig() spool.Config {
	return spool.Config{
		Sync:         c.Sync,
		SyncInterval: c.SyncInterval,
		Codec:        c.Codec,
		SegmentSize:  int64(c.SegmentSize),
		MaxSize:      int64(c.MaxSize),
		MinFree:      int64(c.MinFree),
		Full:         c.Full,
		MaxAge:       c.MaxAge,
	}
}

// limits are the part of spoolConfig that an open log takes.
func (c *LogConfig) limits() spool.Limits {
	return spool.Limits{MaxSize: int64(c.MaxSize), MinFree: int64(c.MinFree), MaxAge: c.MaxAge, Full: c.Full}
}

// DefaultState returns the folder where a role keeps its log when neither the
// configuration nor the command line names one: $XDG_STATE_HOME/syslane/ROLE,
// or ~/.local/state/syslane/ROLE.
func DefaultState(role string) (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no state folder: set state in the configuration, or give --state DIR: %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "syslane", role), nil
}

// LogDir returns where beneath a state folder the log is.
func LogDir(state string) string { return filepath.Join(state, "log") }

// DeadLetterDir returns where beneath a state folder the dead letters are.
func DeadLetterDir(state string) string { return filepath.Join(state, "deadletter") }
