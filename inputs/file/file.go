package file

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

// minScanPause is the least time between two scans that inotify calls for.
const minScanPause = 200 * time.Millisecond

// Input follows files. It implements inputs.Input.
type Input struct {
	cfg     Config
	log     zerolog.Logger
	framing *receive.FramingMetrics
	metrics *metrics
	repeats *receive.Repeats
}

// New checks the configuration and returns an input. It opens no file.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	framing, err := receive.NewFramingMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	return &Input{cfg: cfg, log: log, framing: framing, metrics: m, repeats: receive.NewRepeats(log)}, nil
}

// Name returns the configured name.
func (in *Input) Name() string { return in.cfg.Name }

// Listen does nothing: files are no address that could be taken.
func (in *Input) Listen() error { return nil }

// Run follows the files until ctx ends. What was read by then and not yet stored
// is read again next time. The sink must be an inputs.MarkSink.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	marks, ok := sink.(inputs.MarkSink)
	if !ok {
		return fmt.Errorf("input %q: %T keeps no places in files", in.cfg.Name, sink)
	}
	if ctx.Err() != nil {
		return nil // perhaps another input follows the files
	}
	defer in.repeats.Flush()
	r := newReader(in, marks)
	defer func() {
		for _, f := range r.files {
			r.close(f)
		}
	}()
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	changed := make(<-chan struct{})
	watcher, err := newWatcher()
	if err != nil {
		in.log.Warn().Err(err).Dur("scan_interval", in.cfg.ScanInterval).
			Msg("inotify is not to be had: changes show at the next scan only")
	} else {
		r.watcher, changed = watcher, watcher.changed
		watching.Go(func() { watcher.run(ctx) })
	}
	in.log.Info().Strs("include", in.cfg.Include).Int("known_files", len(r.marks)).Msg("following files")
	err = r.run(ctx, changed)
	if ctx.Err() != nil || errors.Is(err, inputs.ErrClosed) {
		return nil
	}
	return err
}

// place is a place in a file that the log keeps.
type place struct {
	id    identity
	pos   int64
	since time.Time // when the file was looked for first
}

// reader is a run of the input. All of it belongs to one goroutine.
type reader struct {
	*Input
	sink    inputs.MarkSink
	watcher *watcher // nil where there is no inotify
	spare   map[string]bool

	files map[inode]*followed
	paths map[string]*followed
	// queue are the files that have something to read, each once.
	queue []*followed
	// partial are the files whose last line has no end.
	partial map[*followed]bool
	// marks are the places that the log keeps of files not yet found, or away.
	marks map[inode][]place
	// forgets are the identities whose marks the log need not keep any more.
	forgets map[identity]bool
	// recent are the open files, the one read last in front.
	recent *list.List
	opened map[*followed]*list.Element

	scans uint64
	// scanned is when the last scan ended, and scanning how long it took.
	scanned  time.Time
	scanning time.Duration
	buf      []byte
	batch    batch
}

func newReader(in *Input, sink inputs.MarkSink) *reader {
	r := &reader{
		Input: in, sink: sink,
		spare: make(map[string]bool),
		files: make(map[inode]*followed), paths: make(map[string]*followed), partial: make(map[*followed]bool),
		marks: make(map[inode][]place), forgets: make(map[identity]bool),
		recent: list.New(), opened: make(map[*followed]*list.Element),
		buf: make([]byte, max(minBuffer, in.cfg.MaxMessageSize+2)),
	}
	now := time.Now()
	for _, m := range sink.Marks(keyPrefix + in.cfg.Name + "/") {
		if id, ok := parseKey(in.cfg.Name, m.Key); ok {
			r.marks[id.inode] = append(r.marks[id.inode], place{id, int64(m.Value), now})
		}
	}
	return r
}

// run reads until ctx ends or the sink takes nothing more.
func (r *reader) run(ctx context.Context, changed <-chan struct{}) error {
	scan := time.NewTimer(r.cfg.ScanInterval)
	defer scan.Stop()
	flush := time.NewTicker(max(r.cfg.FlushAfter/4, 10*time.Millisecond))
	defer flush.Stop()
	soon := time.NewTimer(0) // a scan that inotify called for, and the first
	defer soon.Stop()
	busy := make(chan struct{})
	close(busy)
	for {
		work := busy
		if len(r.queue) == 0 {
			if err := r.submit(ctx); err != nil {
				return err
			}
			work = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-scan.C:
			r.scan()
			scan.Reset(r.pause(r.cfg.ScanInterval))
		case <-soon.C:
			r.scan()
		case <-changed:
			if r.takeChanges() {
				soon.Reset(max(0, r.pause(minScanPause)-time.Since(r.scanned)))
			}
		case <-flush.C:
			r.flush()
		case <-work:
			f := r.queue[0]
			r.queue = r.queue[1:]
			f.queued = false
			if r.turn(f) {
				r.enqueue(f)
			}
			if r.batch.full() {
				if err := r.submit(ctx); err != nil {
					return err
				}
			}
		}
	}
}

// pause returns how long after a scan the next comes at the soonest: scans take no more
// than half of the time, however many files there are.
func (r *reader) pause(least time.Duration) time.Duration { return max(least, r.scanning) }

func (r *reader) enqueue(f *followed) {
	if !f.queued && !f.ignored {
		f.queued = true
		r.queue = append(r.queue, f)
	}
}

// takeChanges takes what inotify tells, and returns whether a scan is due.
func (r *reader) takeChanges() (scan bool) {
	written, scan, failure := r.watcher.take(r.spare)
	r.spare = written
	for path := range written {
		if f := r.paths[path]; f != nil {
			r.enqueue(f)
		}
	}
	if failure != nil {
		r.repeats.Warn("inotify fails: changes may show at the next scan only", "", failure)
	}
	return scan
}

// turn reads one buffer of a file, and tells whether there may be more.
func (r *reader) turn(f *followed) (more bool) {
	if r.files[f.inode] != f {
		return false // it is not followed any more
	}
	before := f.pos
	err := r.open(f)
	if err == nil {
		err = f.check()
	}
	if errors.Is(err, errTruncated) {
		r.metrics.truncations.Inc()
		r.log.Info().Str("path", f.path).Int64("place", f.pos).Msg("file was truncated or written anew: reading from its start")
		if f.stored.length > 0 {
			r.forgets[f.stored] = true
			f.stored = identity{}
		}
		f.restart()
		err = f.checkContent()
	}
	if err == nil {
		r.batch.begin(f, r.cfg.Host)
		more, err = r.readLines(f)
		if learnErr := f.learn(); err == nil {
			err = learnErr
		}
	}
	switch {
	case errors.Is(err, errCompressed):
		r.log.Info().Str("path", f.path).Msg("file is compressed: it is not followed")
		f.ignored = true
		r.close(f)
		return false
	case errors.Is(err, fs.ErrNotExist):
		return false // the next scan finds out
	case err != nil:
		r.metrics.failures.Inc()
		r.repeats.Warn("file cannot be read: the next scan tries again", f.path, err)
		r.close(f)
		return false
	}
	if !f.gone.IsZero() && f.pos != before {
		f.gone = time.Now() // it is still written to
	}
	return more
}

// flush takes lines that have waited long enough for their end.
func (r *reader) flush() {
	for f := range r.partial {
		switch {
		case f.partial.IsZero():
			delete(r.partial, f)
			continue
		case time.Since(f.partial) < r.cfg.FlushAfter || r.batch.full():
			continue
		}
		r.takePartial(f)
	}
}

// takePartial takes the line of a file that has no end.
func (r *reader) takePartial(f *followed) {
	since := f.partial
	if r.open(f) != nil || f.check() != nil || f.partial != since {
		r.enqueue(f) // it has changed
		return
	}
	r.batch.begin(f, r.cfg.Host)
	if err := r.takeLine(f, f.size-f.pos, syslog.WarnUnterminated); err != nil {
		r.enqueue(f) // which tells the failure; the line waits on
		return
	}
	delete(r.partial, f)
	if f.learn() != nil {
		r.enqueue(f)
	}
}
