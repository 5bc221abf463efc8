package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/oldlog"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/relp"
)

const (
	// importInput is the name of the input on imported events.
	importInput = "import"
	// importBatchOctets and importBatchMessages are when a batch is sent.
	importBatchOctets   = 1 << 20
	importBatchMessages = 8 << 10
	// maxImportMessage is the greatest --max-message-size: a message must fit into a
	// batch of the link with its envelope.
	maxImportMessage = 8 << 20
)

type importCommand struct {
	server, host, zone, maxSize string
	tls                         tlsconf.Options
	patience                    time.Duration
}

func newImportCommand() *cobra.Command {
	var c importCommand
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Bring old log files into a collector",
		Long: `Read old log files, plain or compressed (gzip, zstd, bzip2), and bring their lines
into a collector or relay, over the link: its RELP input, which takes it from this
host, and from elsewhere with a client certificate or from the networks of its
link_from.

It can be interrupted at any time, on either side, and run again: it goes on where
it was, and no line is imported twice. That is known by the content of the file,
whatever its name, and whether it is compressed. So a file that has grown since is
another file, and is imported whole; files that are still written to are for an
input of type "file".

Lines without a year, as RFC 3164 has them, are dated by the time of the file's last
change, which the last line is not after, and by their order: where months jump
back, a year has passed. They are flagged with year-inferred, as always.

The exit status is 0 where every file was imported to its end.`,
		Example: `  syslane import /var/log/syslog.*.gz /var/log/auth.log.1
  syslane import --server collector.example.net:2514 --ca ca.pem --cert me.pem --key me.key old/*.log`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return c.run(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr(), args)
		},
	}
	cmd.Flags().StringVar(&c.server, "server", "127.0.0.1:2514", "RELP address of the collector")
	cmd.Flags().StringVar(&c.host, "host", "", "host of lines that name none (default: this host)")
	cmd.Flags().StringVar(&c.zone, "zone", "", "time zone of timestamps that name none (default: that of this host)")
	cmd.Flags().StringVar(&c.maxSize, "max-message-size", "64KiB", "most octets kept of a line; what is longer is cut and flagged")
	cmd.Flags().StringVar(&c.tls.CAFile, "ca", "", "CA certificates by which the collector is verified (PEM); uses TLS")
	cmd.Flags().StringVar(&c.tls.CertFile, "cert", "", "client certificate (PEM); uses TLS")
	cmd.Flags().StringVar(&c.tls.KeyFile, "key", "", "key of the client certificate (PEM)")
	cmd.Flags().DurationVar(&c.patience, "patience", time.Minute, "how long to try again where the collector does not answer")
	return cmd
}

func (c *importCommand) run(ctx context.Context, stdout, stderr io.Writer, paths []string) error {
	im := &importing{stdout: stdout, patience: c.patience, host: c.host}
	var size config.Size
	if err := size.UnmarshalText([]byte(c.maxSize)); err != nil || size < 1 || size > maxImportMessage {
		return fmt.Errorf("--max-message-size %q: want 1 octet to %s", c.maxSize, config.Size(maxImportMessage))
	}
	location, err := parseZone(c.zone)
	if err != nil {
		return err
	}
	im.options = oldlog.Options{MaxMessageSize: int(size), Location: location}
	if im.host == "" {
		if im.host, err = os.Hostname(); err != nil {
			return fmt.Errorf("this host has no name: say --host: %w", err)
		}
	}
	rand.Read(im.node[:])
	cfg := relp.Config{Name: importInput, Targets: []string{c.server}, Logger: zerolog.Nop()}
	if c.tls.CAFile != "" || c.tls.CertFile != "" {
		c.tls.Name, c.tls.Logger = importInput, zerolog.Nop()
		if cfg.TLS, err = tlsconf.NewClient(c.tls); err != nil {
			return err
		}
	}
	if im.output, err = relp.New(cfg); err != nil {
		return err
	}
	defer im.output.Close()

	total := int64(0)
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			total += 2 * info.Size() // read twice
		}
	}
	im.bar = progress(total, "reading")
	failed := false
	for _, path := range paths {
		counts, err := im.file(ctx, path)
		if counts.messages > 0 || err == nil {
			im.report(path, counts)
		}
		im.sum.add(counts)
		if err == nil {
			continue
		}
		failed = true
		im.bar.Clear()
		fmt.Fprintf(stderr, "syslane: import %s: %v\n", path, err)
		if ctx.Err() != nil || errors.Is(err, errServer) {
			fmt.Fprintln(stderr, "syslane: run the same command again: it goes on where it was")
			break
		}
	}
	im.bar.Finish()
	if len(paths) > 1 {
		im.report("in all", im.sum)
	}
	if failed {
		return exitStatus(1)
	}
	return nil
}

// importing is a run of the command.
type importing struct {
	stdout   io.Writer
	options  oldlog.Options
	host     string
	node     [4]byte
	count    uint32 // events made, for their ids
	output   *relp.Output
	patience time.Duration
	bar      *progressbar.ProgressBar
	sum      importCounts
}

// importCounts say what became of the messages of a file. unparsed and cut are
// among the imported ones.
type importCounts struct {
	messages, imported, present, unparsed, cut, rejected uint64
}

func (c *importCounts) add(o importCounts) {
	c.messages += o.messages
	c.imported += o.imported
	c.present += o.present
	c.unparsed += o.unparsed
	c.cut += o.cut
	c.rejected += o.rejected
}

func (im *importing) report(what string, c importCounts) {
	im.bar.Clear()
	fmt.Fprintf(im.stdout, "%s: %d messages: %d imported (%d unparsed, %d cut), %d already there", what, c.messages, c.imported, c.unparsed, c.cut, c.present)
	if c.rejected > 0 {
		fmt.Fprintf(im.stdout, ", %d rejected", c.rejected)
	}
	if left := c.messages - c.imported - c.present - c.rejected; left > 0 {
		fmt.Fprintf(im.stdout, ", %d not yet imported", left)
	}
	fmt.Fprintln(im.stdout)
}

// errServer: the collector does not take messages.
var errServer = errors.New("the collector takes nothing")

// file imports one file.
func (im *importing) file(ctx context.Context, path string) (c importCounts, err error) {
	options := im.options
	options.Read = func(n int) { im.bar.Add(n) }
	im.bar.Describe("reading " + filepath.Base(path))
	survey, err := oldlog.Take(ctx, path, options)
	if err != nil {
		return c, err
	}
	c.messages = survey.Messages
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	b := &importBatch{im: im, counts: &c, path: path, stream: "import/" + hex.EncodeToString(survey.Fingerprint[:])}
	// The position of a message in the stream is its number in the file, from 1.
	next, err := im.resume(ctx, b.stream)
	if err != nil {
		return c, err
	}
	if next > 0 {
		c.present = min(next-1, c.messages)
	}
	if c.present < c.messages {
		im.bar.Describe("sending " + filepath.Base(path))
		err = survey.Each(ctx, path, options, func(number uint64, m *syslog.Message) error {
			if number < c.present {
				return nil
			}
			return b.add(ctx, number, m)
		})
		if err == nil {
			err = b.send(ctx)
		}
	}
	if err == nil {
		err = survey.Damage
	}
	return c, err
}

// try calls f until it succeeds, or has failed for as long as patience lasts.
func (im *importing) try(ctx context.Context, f func() error) error {
	start := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := f()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, relp.ErrNoLink) || time.Since(start) > im.patience:
			return fmt.Errorf("%w: %w", errServer, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (im *importing) resume(ctx context.Context, stream string) (next uint64, err error) {
	err = im.try(ctx, func() (err error) {
		next, err = im.output.Resume(ctx, stream)
		return err
	})
	return next, err
}

// importBatch gathers messages of a file for one write.
type importBatch struct {
	im           *importing
	counts       *importCounts
	path, stream string

	first         uint64 // number of the first message
	events        []byte
	count         int
	unparsed, cut uint64
}

func (b *importBatch) add(ctx context.Context, number uint64, m *syslog.Message) error {
	if b.count == 0 {
		b.first = number
	}
	b.im.count++
	e := syslog.Event{ID: syslog.MakeID(time.Now(), b.im.node, b.im.count), Message: *m, Input: importInput, Path: b.path}
	e.Warnings &^= syslog.WarnNoPriority // a line of a file has none by right
	if e.Hostname.Empty() {
		e.Host = b.im.host
		e.Warnings &^= syslog.WarnNoHostname
	}
	if e.Format == syslog.Unparsed {
		b.unparsed++
	}
	if e.Warnings&syslog.WarnTruncated != 0 {
		b.cut++
	}
	b.events = syslog.AppendRecord(b.events, &e)
	b.count++
	if b.count < importBatchMessages && len(b.events) < importBatchOctets {
		return nil
	}
	return b.send(ctx)
}

// send hands the batch to the collector; it returns once the collector has it on disk.
func (b *importBatch) send(ctx context.Context) error {
	if b.count == 0 {
		return nil
	}
	batch := &outputs.Batch{Stream: b.stream, First: b.first + 1, Next: b.first + 1 + uint64(b.count), Count: b.count, Events: b.events}
	err := b.im.try(ctx, func() error {
		err := b.im.output.Write(ctx, batch)
		if rejected := (*outputs.Rejected)(nil); errors.As(err, &rejected) {
			b.counts.rejected += uint64(len(rejected.Items))
			b.counts.imported -= uint64(len(rejected.Items))
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	b.counts.imported += uint64(b.count)
	b.counts.unparsed += b.unparsed
	b.counts.cut += b.cut
	b.events, b.count, b.unparsed, b.cut = b.events[:0], 0, 0, 0
	return nil
}
