package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/spool"
)

// onDisk is what a message of some octets takes on disk, by the compression of the
// log: measured with a relay whose messages, of 168 octets on average, were those of
// system logs and sshd (bench/spool). Its envelope is in it.
var onDisk = map[spool.Codec]func(octets float64) float64{
	spool.CodecS2:   func(o float64) float64 { return o * 67 / 168 },
	spool.CodecZstd: func(o float64) float64 { return o * 46 / 168 },
	spool.CodecNone: func(o float64) float64 { return o + 50 },
}

// packed is what a log makes of records when it is written, before it is rewritten in
// larger blocks: the same measurement.
var packed = map[spool.Codec]float64{spool.CodecS2: 0.3, spool.CodecZstd: 0.21, spool.CodecNone: 1}

const (
	// usualSize is that of a message where nothing else is known.
	usualSize = 200
	// reserve is what is added: messages differ from day to day.
	reserve = 1.25
	// maxSampled is how many segments are looked at for a sample.
	maxSampled = 8
)

func newSpoolPlanCommand() *cobra.Command {
	var p spoolPlan
	var outage, size, compression, dir string
	cmd := &cobra.Command{
		Use:   "plan --rate N --outage 12h [--size OCTETS] [--compression s2] [--dir PATH]",
		Short: "Reckon how large a log must be to bridge an outage",
		Long: `Reckon how large the log of a relay or collector must be to hold what comes while an
output is away: so many messages a second for so long.

How much a message takes on disk depends on what is in it. With --dir it is measured in a
log that is there, and so is the rate where --rate does not say it; otherwise the figures
of system logs are taken. A quarter is added.

  syslane spool plan --rate 2000 --outage 12h
  syslane spool plan --dir /var/lib/syslane/relay --outage 3d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if p.outage, err = config.ParseDuration(outage); err != nil || p.outage <= 0 {
				return fmt.Errorf("--outage %q: want a time, as 90m, 12h or 3d", outage)
			}
			var octets config.Size
			if err := octets.UnmarshalText([]byte(size)); err != nil || octets <= 0 {
				return fmt.Errorf("--size %q: want octets, as 300 or 1KiB", size)
			}
			p.size, p.codec = float64(octets), spool.Codec(compression)
			if onDisk[p.codec] == nil {
				return fmt.Errorf("--compression %q: want s2, zstd or none", compression)
			}
			if dir != "" {
				folder, err := findLog(dir)
				if err != nil {
					return err
				}
				if p.sample, err = sampleLog(folder, p.codec); err != nil {
					return err
				}
			}
			return p.print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.Float64Var(&p.rate, "rate", 0, "messages a second, on average over the outage")
	f.StringVar(&outage, "outage", "", "how long the output is away")
	f.StringVar(&size, "size", fmt.Sprint(usualSize), "octets of a message, on average")
	f.StringVar(&compression, "compression", string(spool.CodecS2), "log.codec: s2, zstd or none")
	f.StringVar(&dir, "dir", "", "a log folder, or a state folder that holds one, to measure in")
	return cmd
}

// spoolPlan is what was asked for.
type spoolPlan struct {
	rate   float64
	outage time.Duration
	size   float64
	codec  spool.Codec
	sample *logSample
}

// logSample is what was measured in a log.
type logSample struct {
	messages uint64
	octets   float64 // on disk
	span     time.Duration
}

// sampleLog measures the newest segments of a log as they are when they are written:
// those that were rewritten are smaller than an outage finds them, so that of these only
// the size of the records counts.
func sampleLog(folder string, codec spool.Codec) (*logSample, error) {
	view, err := spool.OpenReadOnly(folder)
	if err != nil {
		return nil, fmt.Errorf("open the log in %s: %w", folder, err)
	}
	segments, err := view.Segments()
	if err != nil {
		return nil, fmt.Errorf("read the log in %s: %w", folder, err)
	}
	var s logSample
	var failed error
	from, to := int64(math.MaxInt64), int64(0)
	for _, segment := range segments[:min(maxSampled, len(segments))] {
		blocks, err := view.Blocks(nil, segment)
		if err != nil { // deleted in the meantime, or damaged: others tell as much
			failed = err
		}
		for _, b := range blocks {
			s.messages += uint64(b.Count)
			// A burst that was stored as it is says as little as what was rewritten.
			if segment.Rewritten == 0 && (b.Octets < int64(b.Raw) || b.Raw < 4096) {
				s.octets += float64(b.Octets)
			} else {
				s.octets += float64(b.Raw) * packed[codec]
			}
			from, to = min(from, b.Appended), max(to, b.Appended)
		}
	}
	if s.messages < 100 && failed != nil {
		return nil, fmt.Errorf("read the log in %s: %w", folder, failed)
	}
	if s.messages < 100 {
		return nil, fmt.Errorf("the log in %s holds %d messages that can be measured, too few; give --rate and --size", folder, s.messages)
	}
	s.span = time.Duration(to - from)
	return &s, nil
}

func (p *spoolPlan) print(out io.Writer) error {
	each, how := onDisk[p.codec](p.size), fmt.Sprintf("with %s, as system logs of %.0f octets", p.codec, p.size)
	rate, said := p.rate, "as given"
	if s := p.sample; s != nil {
		each, how = s.octets/float64(s.messages), fmt.Sprintf("measured in %s messages", count(s.messages))
		if rate == 0 && s.span > 0 {
			rate, said = float64(s.messages)/s.span.Seconds(), fmt.Sprintf("measured over %s; busy hours may have more", s.span.Round(time.Second))
		}
	}
	if rate <= 0 || math.IsInf(rate, 0) || math.IsNaN(rate) {
		return errors.New("give the messages a second with --rate")
	}
	messages := rate * p.outage.Seconds()
	needed := messages * each
	if needed*reserve > math.MaxInt64/2 {
		return errors.New("no disk holds so much: is the rate in messages a second?")
	}
	fmt.Fprintf(out, "rate      %s messages a second (%s)\n", count(uint64(math.Ceil(rate))), said)
	fmt.Fprintf(out, "outage    %s: %s messages\n", p.outage, count(uint64(math.Ceil(messages))))
	fmt.Fprintf(out, "on disk   %.0f octets a message (%s)\n", each, how)
	fmt.Fprintf(out, "needed    %s, with a quarter more for the unforeseen %s\n\n", rough(needed), rough(needed*reserve))
	_, err := fmt.Fprintf(out, "[log]\nmax_size = %q\ncodec = %q\n", roundUp(needed*reserve), p.codec)
	return err
}

// rough writes a size for people.
func rough(octets float64) string {
	if octets < 1<<30 {
		return fmt.Sprintf("%.1fMiB", octets/(1<<20))
	}
	return fmt.Sprintf("%.1fGiB", octets/(1<<30))
}

// roundUp returns a size for a configuration: the next whole unit, at least 1GiB.
func roundUp(octets float64) string {
	const gib = 1 << 30
	return fmt.Sprintf("%dGiB", int64(math.Max(1, math.Ceil(octets/gib))))
}
