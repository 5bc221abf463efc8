package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxBatchOctets and maxBatchMessages are when a batch is submitted at the latest.
	maxBatchOctets   = 1 << 20
	maxBatchMessages = 16 << 10
	// minBuffer is the least that is read of a file in one turn.
	minBuffer = 256 << 10
	// marksPerFile is the most marks that a file in a batch needs: the new one, and
	// the old one forgotten.
	marksPerFile = 2
)

// batch gathers lines of several files, and how far they were read.
type batch struct {
	inputs.Batch
	files []*followed
	marks []inputs.Mark
	stats syslog.FramingStats
}

func (b *batch) full() bool {
	return len(b.Data) >= maxBatchOctets || len(b.Frames) >= maxBatchMessages ||
		(len(b.files)+1)*marksPerFile > inputs.MaxMarks
}

// begin says that the lines that follow are of f.
func (b *batch) begin(f *followed, host string) {
	b.files = append(b.files, f)
	b.Origins = append(b.Origins, inputs.Origin{Host: host, Path: f.path})
}

// add adds a line of the file that was begun last, with the LF at its end if it has one.
func (b *batch) add(line []byte, limit int, w syslog.Warnings) {
	if len(b.Frames) == 0 {
		b.Received = time.Now()
	}
	line = syslog.TrimTrailer(line)
	if len(line) > limit {
		b.stats.Truncated++
		b.stats.Discarded += len(line) - limit
		line, w = line[:limit], w|syslog.WarnTruncated
	}
	if len(line) == 0 {
		b.stats.Empty++
		return
	}
	if w&syslog.WarnUnterminated != 0 {
		b.stats.Unterminated++
	}
	start := uint32(len(b.Data))
	b.Data = append(b.Data, line...)
	b.Frames = append(b.Frames, inputs.Frame{
		Span: syslog.Span{Start: start, End: uint32(len(b.Data))}, Origin: uint32(len(b.Origins) - 1), Warnings: w,
	})
}

func (b *batch) reset() {
	b.Batch.Reset()
	b.files, b.marks = b.files[:0], b.marks[:0]
}

// readLines adds the lines of one buffer to the batch, and tells whether there may
// be more to read.
func (r *reader) readLines(f *followed) (more bool, err error) {
	n, err := f.file.ReadAt(r.buf, f.pos+f.scanned)
	if err != nil && err != io.EOF {
		return false, err
	}
	data := r.buf[:n]
	full := n == len(r.buf)
	if f.scanned > 0 {
		return r.readLongLine(f, data, full)
	}
	at := r.skipNULs(data, 0)
	for !r.batch.full() {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		r.batch.add(data[at:at+end+1], r.cfg.MaxMessageSize, 0)
		at = r.skipNULs(data, at+end+1)
	}
	f.pos += int64(at)
	switch {
	case r.batch.full():
		return true, nil
	case full && at == 0:
		f.scanned = int64(n)
	case !full && at < n && f.partial.IsZero():
		f.partial = time.Now()
		r.partial[f] = true
	}
	return full, nil
}

// skipNULs passes over NULs at the start of a line. They stand where a program
// wrote on at its old place in a file that was truncated, or where a crash cut the
// data off.
func (r *reader) skipNULs(data []byte, at int) int {
	start := at
	for at < len(data) && data[at] == 0 {
		at++
	}
	r.batch.stats.Discarded += at - start
	return at
}

// readLongLine looks for the end of a line that is longer than the buffer, of
// which data is the next part.
func (r *reader) readLongLine(f *followed, data []byte, full bool) (more bool, err error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		f.scanned += int64(len(data))
		if !full && f.partial.IsZero() {
			f.partial = time.Now()
			r.partial[f] = true
		}
		return full, nil
	}
	return true, r.takeLine(f, f.scanned+int64(end)+1, 0)
}

// takeLine takes length octets at pos as one line.
func (r *reader) takeLine(f *followed, length int64, w syslog.Warnings) error {
	keep := min(length, int64(len(r.buf)))
	if n, err := f.file.ReadAt(r.buf[:keep], f.pos); int64(n) < keep {
		return err
	}
	r.batch.add(r.buf[:keep], r.cfg.MaxMessageSize, w)
	r.batch.stats.Discarded += int(length - keep)
	f.pos, f.scanned, f.partial = f.pos+length, 0, time.Time{}
	return nil
}

// submit makes the batch durable, and with it how far its files were read.
func (r *reader) submit(ctx context.Context) error {
	b := &r.batch
	r.framing.Add(&b.stats)
	if len(b.Frames) == 0 {
		b.reset() // the files' places stand until lines follow
		return nil
	}
	for _, f := range b.files {
		// A file that was begun twice has its last place in both.
		if f.id.length == 0 {
			continue // it was truncated since
		}
		if f.stored.length > 0 && f.stored != f.id {
			b.marks = append(b.marks, inputs.Mark{Key: f.stored.key(r.cfg.Name)})
		}
		b.marks = append(b.marks, inputs.Mark{Key: f.id.key(r.cfg.Name), Value: uint64(f.pos)})
		delete(r.forgets, f.id)
	}
	var forgotten []identity
	for id := range r.forgets {
		if len(b.marks) == inputs.MaxMarks {
			break
		}
		b.marks = append(b.marks, inputs.Mark{Key: id.key(r.cfg.Name)})
		forgotten = append(forgotten, id)
	}
	b.Input = r.cfg.Name
	err := r.sink.SubmitMarked(ctx, &b.Batch, b.marks)
	switch {
	case errors.Is(err, inputs.ErrClosed), err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		r.repeats.Warn("lines could not be stored and are lost", b.files[0].path, err)
	default:
		for _, f := range b.files {
			f.stored = f.id
		}
		for _, id := range forgotten {
			delete(r.forgets, id)
		}
	}
	b.reset()
	return nil
}
