package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// syncsAtOnce is how many files are synced at the same time: the disk puts them
// together.
const syncsAtOnce = 16

// Output writes events into files. It implements outputs.Output.
type Output struct {
	cfg      Config
	log      zerolog.Logger
	metrics  *metrics
	template *template
	notebook *notebook
	turns    *turns
	// resumed: the note has been found to be of this log.
	resumed bool
	files   map[string]*file
	// firstID is that of the first event of the batch under way that is to be written.
	firstID syslog.ID
	// batches counts Writes; compressing the rotated files under way.
	batches     uint64
	compressing sync.WaitGroup
	tidying     sync.Mutex
	// newest is, by folder, the highest stamp that a rotated file there has.
	newest  map[string]string
	stop    context.CancelFunc
	stopped context.Context

	// writing is held by a Write, and by what closes files after the last for a while.
	writing sync.Mutex
	idle    *time.Timer

	names     syslog.Interner
	documents ecs.Writer
	path      []byte
}

// New checks the configuration and returns an output.
func New(cfg Config) (*Output, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	t, err := parseTemplate(cfg.Path)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Output, error) { return nil, fmt.Errorf("file output %q: %w", cfg.Name, err) }
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(t.base, cfg.DirMode); err != nil {
		return fail(err)
	}
	o := &Output{
		cfg: cfg, metrics: m, template: t, files: make(map[string]*file), log: cfg.Logger.With().Str("output", cfg.Name).Logger(),
		documents: ecs.Writer{Options: ecs.Options{Observer: cfg.Observer}},
	}
	note := filepath.Join(t.base, ".syslane-"+cfg.Name)
	if cfg.Beside {
		o.notebook = &notebook{path: note, beside: true}
	} else if o.notebook, err = openNotebook(note); err != nil {
		return fail(err)
	}
	o.turns = &turns{path: note + ".lock", perm: cfg.Mode, beside: cfg.Beside, warn: func(err error) {
		o.log.Warn().Err(err).Str("file", note+".lock").
			Msg("files cannot be locked: do not replay dead letters of this output while it runs and rotates")
	}}
	o.turns.announce()
	o.stopped, o.stop = context.WithCancel(context.Background())
	o.idle = time.AfterFunc(idleTime, o.rest)
	return o, nil
}

// Write implements outputs.Output. What a Write that failed had written is taken
// back, so that the next finds the files as this one did.
func (o *Output) Write(ctx context.Context, b *outputs.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.writing.Lock()
	defer o.writing.Unlock()
	defer o.idle.Reset(idleTime)
	if err := o.makeFolder(o.template.base); err != nil { // somebody may have deleted it
		return err
	}
	turn, err := o.turns.begin(ctx)
	if err != nil {
		return err
	}
	defer turn.Close()
	start, err := o.resume(ctx, b)
	if err != nil {
		return err
	}
	rejected, err := o.gather(b, start)
	if err != nil {
		return err
	}
	touched := o.touched()
	o.evict(len(touched))
	if touched, err = o.prepare(b, touched, &rejected); err != nil {
		return err
	}
	if len(touched) > 0 {
		if err := o.append(b, b.Position(start), touched); err != nil {
			_, undone := o.notebook.undo()
			o.forget(touched)
			return errors.Join(err, undone)
		}
	}
	o.evict(0)
	o.trim()
	if len(rejected) == 0 {
		return nil
	}
	slices.SortFunc(rejected, func(a, b outputs.Rejection) int { return a.Index - b.Index })
	return &outputs.Rejected{Items: rejected}
}

// resume compares b with the note: a batch that the last run was writing comes again,
// and so does one that could not be taken back. It returns the index of the first event
// that is not in a file.
func (o *Output) resume(ctx context.Context, b *outputs.Batch) (start int, err error) {
	n := &o.notebook.note
	if n.Stream != b.Stream {
		return 0, nil
	}
	if b.First <= n.First {
		agrees := true
		if !o.resumed {
			if agrees, err = n.agrees(ctx, b); err != nil {
				return 0, fmt.Errorf("look for the message at position %d, which the files have: %w", n.First, err)
			}
		}
		if !agrees {
			o.log.Warn().Uint64("position", n.First).
				Msg("the files have the line of another message at this position: this log was restored from a backup; its messages are written behind what the files have")
			*n = note{}
			return 0, nil
		}
		cut, err := o.notebook.undo()
		if err != nil {
			return 0, err
		}
		if cut > 0 {
			o.log.Info().Int64("octets", cut).Msg("cut off the lines of a batch that comes again")
		}
	}
	o.resumed = true
	for start < b.Count && b.Position(start) < n.First {
		start++
	}
	return start, nil
}

// gather renders the events of b, each for its file.
func (o *Output) gather(b *outputs.Batch, start int) (rejected []outputs.Rejection, err error) {
	o.batches++
	now := time.Now()
	var e syslog.Event
	run := b.Events
	for i := range b.Count {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return nil, fmt.Errorf("batch at position %d holds %d of %d records", b.First, i, b.Count)
		}
		if i < start {
			continue
		}
		if i == start {
			o.firstID = syslog.RecordID(record)
		}
		if err := e.Decode(record, &o.names); err != nil {
			rejected = append(rejected, outputs.Rejection{Index: i, Reason: err.Error()})
			continue
		}
		o.path = o.template.appendPath(o.path[:0], &e, o.cfg.Location)
		f := o.files[string(o.path)]
		if f == nil {
			f = &file{path: string(o.path)}
			o.files[f.path] = f
		}
		if f.used != o.batches {
			f.used, f.written, f.lines, f.indexes = o.batches, now, f.lines[:0], f.indexes[:0]
		}
		f.lines = o.appendLine(f.lines, &e)
		f.indexes = append(f.indexes, i)
	}
	return rejected, nil
}

// touched returns the files of the batch under way, in the order of their names.
func (o *Output) touched() (list []*file) {
	for _, f := range o.files {
		if f.used == o.batches {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *file) int {
		if a.path < b.path {
			return -1
		}
		return 1
	})
	return list
}

// prepare opens the files and rotates those that are due. Events whose file cannot
// be, for its name, are rejected. Of more files than may be open at once the last
// are closed again, until they are written to.
func (o *Output) prepare(b *outputs.Batch, touched []*file, rejected *[]outputs.Rejection) (good []*file, err error) {
	settled := false
	for _, f := range touched[min(maxOpen, len(touched)):] {
		f.close()
	}
	for i, f := range touched {
		err := o.open(f)
		never := err != nil && o.neverCan(f, err)
		if err == nil && o.due(f) {
			if !settled {
				// The batch before is finished: it must not be looked for in files
				// that are about to get other names.
				if err := o.settle(b); err != nil {
					return nil, err
				}
				settled = true
			}
			if err = o.rotate(f); err == nil {
				err = o.open(f)
			}
		}
		switch {
		case err == nil:
			good = append(good, f)
			if i >= maxOpen {
				f.close()
			}
		case never:
			for _, i := range f.indexes {
				*rejected = append(*rejected, outputs.Rejection{Index: i, Reason: err.Error()})
			}
			delete(o.files, f.path)
		default:
			return nil, err
		}
	}
	return good, nil
}

// settle notes that all before b is in the files.
func (o *Output) settle(b *outputs.Batch) error {
	n := &o.notebook.note
	if n.Stream != b.Stream || n.First < b.First {
		n.Stream, n.First, n.ID = b.Stream, b.First, o.firstID.String()
	}
	n.Writing = nil
	return o.notebook.write()
}

// append writes the lines of the batch under way, note first, and syncs. They
// are those of the events from position first on.
func (o *Output) append(b *outputs.Batch, first uint64, touched []*file) error {
	n := &o.notebook.note
	*n = note{Stream: b.Stream, First: first, ID: o.firstID.String(), Writing: n.Writing[:0]}
	for _, f := range touched {
		info, err := f.stat()
		if err != nil {
			return err
		}
		n.Writing = append(n.Writing, tail{Path: f.path, Inode: inode(info), Size: info.Size(), Added: int64(len(f.lines))})
	}
	if err := o.notebook.write(); err != nil {
		n.Writing = nil // nothing was written
		return err
	}
	var syncs errgroup.Group
	syncs.SetLimit(syncsAtOnce)
	for _, f := range touched {
		syncs.Go(func() error {
			if f.f == nil { // there are too many for all to be open
				if err := o.open(f); err != nil {
					return err
				}
				defer f.close()
			}
			if _, err := f.f.Write(f.lines); err != nil {
				return err
			}
			f.size += int64(len(f.lines))
			return f.f.Sync()
		})
	}
	if err := syncs.Wait(); err != nil {
		return err
	}
	for _, f := range touched {
		o.metrics.octets.Add(float64(len(f.lines)))
	}
	return nil
}

// Close closes the files. Rotated ones that are being compressed stay as they are,
// and are compressed at the next rotation.
func (o *Output) Close() error {
	o.stop()
	o.compressing.Wait()
	o.idle.Stop()
	o.writing.Lock()
	defer o.writing.Unlock()
	for _, f := range o.files {
		f.close()
	}
	return nil
}
