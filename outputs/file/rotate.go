package file

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// rotatedForm is what is put behind the name of a rotated file: the time, in UTC,
// so that names sort by it.
const rotatedForm = "20060102-150405"

// The ends of the names of compressed files, and of one that is not finished.
const (
	gzipEnd = ".gz"
	zstdEnd = ".zst"
	partEnd = ".part"
)

// behindName is all that may stand behind the name of a file and a "-" in that of one
// which was rotated from it.
var behindName = regexp.MustCompile(`^\d{8}-\d{6}(\.\d{3,})?(\.gz|\.zst)?$`)

// endsAsRotated tells whether a name that ends in text, whatever is before it, can be
// that of a rotated file, or of one that is being compressed.
func endsAsRotated(text string) bool {
	for _, end := range []string{gzipEnd, zstdEnd, partEnd} {
		if strings.HasSuffix(text, end) || strings.HasSuffix(end, text) {
			return true
		}
	}
	rest := strings.TrimRight(text, "0123456789")
	return rest != text && (rest == "" || strings.HasSuffix(rest, "-") || strings.HasSuffix(rest, "."))
}

// endsAsRotated tells whether a message can choose a name by t that is that of a rotated
// file.
func (t *template) endsAsRotated() bool {
	last := t.parts[len(t.parts)-1]
	return last.field != nil || len(t.parts) > 1 && !strings.Contains(last.text, "/") && endsAsRotated(last.text)
}

// due tells whether f is to be rotated before the lines of the batch go in.
func (o *Output) due(f *file) bool {
	if f.size == 0 || o.cfg.Beside {
		return false
	}
	return o.cfg.MaxSize > 0 && f.size+int64(len(f.lines)) > o.cfg.MaxSize ||
		o.cfg.MaxAge > 0 && time.Since(f.begun) >= o.cfg.MaxAge
}

// rotate gives f the name of a rotated file. What is in it is synced already.
func (o *Output) rotate(f *file) error {
	f.close()
	to := f.path + "-" + time.Now().UTC().Format(rotatedForm)
	for i := 2; taken(to); i++ {
		to = fmt.Sprintf("%s-%s.%03d", f.path, time.Now().UTC().Format(rotatedForm), i)
	}
	if err := os.Rename(f.path, to); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return err
	}
	o.metrics.rotations.Inc()
	path := f.path
	o.compressing.Go(func() {
		if err := o.tidy(path); err != nil && o.stopped.Err() == nil {
			o.log.Warn().Err(err).Str("file", path).Msg("rotated files are not compressed or not deleted: the next rotation tries again")
		}
	})
	return nil
}

// taken tells whether there is such a rotated file.
func taken(path string) bool {
	for _, end := range []string{"", gzipEnd, zstdEnd} {
		if _, err := os.Lstat(path + end); err == nil {
			return true
		}
	}
	return false
}

// rotated lists the rotated files of path, oldest first. Others may have names that
// begin in the same way: a sender chooses what stands for {host}.
func rotated(path string) (list []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(path) + "-"
	for _, e := range entries {
		stamp, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !e.Type().IsRegular() || !behindName.MatchString(stamp) {
			continue
		}
		if _, err := time.Parse(rotatedForm, stamp[:len(rotatedForm)]); err == nil {
			list = append(list, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}

// tidy deletes the rotated files of path that are too many and compresses the
// others. One at a time: it is background work.
func (o *Output) tidy(path string) error {
	o.tidying.Lock()
	defer o.tidying.Unlock()
	list, err := rotated(path)
	if err != nil {
		return err
	}
	var errs []error
	if keep := o.cfg.Keep; keep > 0 && len(list) > keep {
		for _, old := range list[:len(list)-keep] {
			errs = append(errs, os.Remove(old))
		}
		list = list[len(list)-keep:]
	}
	for _, name := range list {
		if o.cfg.Compress == None || strings.HasSuffix(name, gzipEnd) || strings.HasSuffix(name, zstdEnd) {
			continue
		}
		errs = append(errs, o.compress(o.stopped, name))
	}
	return errors.Join(errs...)
}

// compress replaces a file by its compressed form; a crash leaves one of them whole.
func (o *Output) compress(ctx context.Context, name string) (err error) {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	end := gzipEnd
	if o.cfg.Compress == Zstd {
		end = zstdEnd
	}
	part := name + end + partEnd
	out, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, o.cfg.Mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(part)
		}
	}()
	var w io.WriteCloser = gzip.NewWriter(out)
	if end == zstdEnd {
		if w, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1)); err != nil {
			return err
		}
	}
	if _, err = io.Copy(w, until{ctx, in}); err != nil {
		return err
	}
	if err = errors.Join(w.Close(), out.Sync(), out.Close()); err != nil {
		return err
	}
	if err = os.Rename(part, name+end); err != nil {
		return err
	}
	if err = syncFolder(filepath.Dir(name)); err != nil {
		return err
	}
	return os.Remove(name)
}

// until reads until ctx ends.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}
