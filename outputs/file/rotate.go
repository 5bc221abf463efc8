package file

import (
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// rotatedForm is what is put behind the name of a rotated file: the time, in UTC. Of
// files of one time the second has ".002" behind it, and so on.
const rotatedForm = "20060102-150405"

// The ends of the names of compressed files, and of one that is not finished.
const (
	gzipEnd = ".gz"
	zstdEnd = ".zst"
	partEnd = ".part"
)

// behindName is all that may stand behind the name of a file and a "-" in that of one
// which was rotated from it, and rotatedName how the name of one ends, whose ever it is.
var (
	behindName  = regexp.MustCompile(`^(\d{8}-\d{6})(?:\.(\d{3,9}))?(?:\.gz|\.zst)?$`)
	rotatedName = regexp.MustCompile(`-(\d{8}-\d{6})(?:\.\d{3,9})?(?:\.gz|\.zst)?$`)
)

// newestMax bounds the folders of which the newest stamp is kept in mind.
const newestMax = 64

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
	next := rotatedFile{stamp: time.Now().UTC().Format(rotatedForm), number: 1}
	last := f.last
	if last.stamp < next.stamp && o.cfg.Keep > 0 && o.behind(filepath.Dir(f.path), next.stamp) {
		list, err := rotated(f.path)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			last = list[len(list)-1]
		}
	}
	if last.stamp >= next.stamp {
		next.stamp, next.number = last.stamp, last.number+1
	}
	to := next.nameOf(f.path)
	for ; taken(to); to = next.nameOf(f.path) {
		next.number++
	}
	if err := os.Rename(f.path, to); err != nil {
		return err
	}
	f.last = next
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

// rotatedFile is one that was rotated: its name, when, and which of those of that time it
// is, from 1.
type rotatedFile struct {
	name, stamp string
	number      int
}

// nameOf returns the name of such a file of path, before it is compressed.
func (r *rotatedFile) nameOf(path string) string {
	if r.number == 1 {
		return path + "-" + r.stamp
	}
	return fmt.Sprintf("%s-%s.%03d", path, r.stamp, r.number)
}

// behind tells whether files of the folder may have been rotated with a later stamp,
// by a clock that was put back since: one with this stamp would then be taken for the
// oldest, which is deleted first.
func (o *Output) behind(folder, stamp string) bool {
	newest, known := o.newest[folder]
	if !known {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return false // what deletes cannot list it either
		}
		for _, e := range entries {
			if parts := rotatedName.FindStringSubmatch(e.Name()); parts != nil {
				newest = max(newest, parts[1])
			}
		}
		if o.newest == nil || len(o.newest) >= newestMax {
			o.newest = make(map[string]string)
		}
	}
	o.newest[folder] = max(newest, stamp)
	return newest > stamp
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
func rotated(path string) (list []rotatedFile, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(path) + "-"
	for _, e := range entries {
		behind, ok := strings.CutPrefix(e.Name(), prefix)
		parts := behindName.FindStringSubmatch(behind)
		if !ok || !e.Type().IsRegular() || parts == nil {
			continue
		}
		if _, err := time.Parse(rotatedForm, parts[1]); err != nil {
			continue
		}
		r := rotatedFile{name: filepath.Join(filepath.Dir(path), e.Name()), stamp: parts[1], number: 1}
		if parts[2] != "" {
			if r.number, err = strconv.Atoi(parts[2]); err != nil {
				return nil, err
			}
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b rotatedFile) int {
		return cmp.Or(strings.Compare(a.stamp, b.stamp), cmp.Compare(a.number, b.number))
	})
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
			errs = append(errs, os.Remove(old.name))
		}
		list = list[len(list)-keep:]
	}
	for _, r := range list {
		if o.cfg.Compress == None || strings.HasSuffix(r.name, gzipEnd) || strings.HasSuffix(r.name, zstdEnd) {
			continue
		}
		errs = append(errs, o.compress(o.stopped, r.name))
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
