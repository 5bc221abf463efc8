package file

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// goneGrace is how long a rotated file is read on after the last thing was
	// written to it: programs notice late that they were told to reopen their file.
	goneGrace = time.Minute
	// forgetAfter is how long the place in a file that is nowhere to be found is
	// kept, for file systems that are mounted late, or away for a while.
	forgetAfter = time.Hour
)

// scan looks for files that have come and gone.
func (r *reader) scan() {
	r.scans++
	began := time.Now()
	defer func() {
		r.scanned = time.Now()
		r.scanning = r.scanned.Sub(began)
	}()
	folders := make(map[string]bool)
	over := 0
	for _, pattern := range r.cfg.Include {
		dirs, _ := filepath.Glob(filepath.Dir(pattern)) // the pattern was checked
		for _, dir := range dirs {
			folders[dir] = true
			r.watchFolder(dir)
		}
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if !r.wanted(path) {
				continue
			}
			if !r.see(path) {
				over++
			}
		}
	}
	for path, f := range r.paths {
		if f.seen != r.scans {
			delete(r.paths, path)
		}
	}
	for _, f := range r.files {
		if f.seen != r.scans {
			r.miss(f)
		}
	}
	r.findLost(folders)
	// What was written first is read first.
	slices.SortStableFunc(r.queue, func(a, b *followed) int { return a.modified.Compare(b.modified) })
	if over > 0 {
		r.repeats.Warn("more files match than max_files: the rest is not read", "", nil)
	}
	r.report(over)
}

// watchFolder has inotify tell what happens in a folder. Where it does so already
// nothing changes; where the folder is another one of the same name it is needed.
func (r *reader) watchFolder(dir string) {
	if r.watcher == nil {
		return
	}
	if err := r.watcher.notify.Add(dir); err != nil {
		r.repeats.Warn("folder cannot be watched: changes show at the next scan only", dir, err)
	}
}

// wanted tells whether the file is to be followed, by its name.
func (r *reader) wanted(path string) bool {
	if compressed(path) {
		return false
	}
	for _, pattern := range r.cfg.Exclude {
		subject := path
		if !strings.Contains(pattern, "/") {
			subject = filepath.Base(path)
		}
		if match, _ := filepath.Match(pattern, subject); match {
			return false
		}
	}
	return true
}

// see takes note of a file that a pattern has found. It returns false where there
// is no room for it.
func (r *reader) see(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return true
	}
	at := inodeOf(info)
	f := r.files[at]
	if f == nil {
		if len(r.files) >= r.cfg.MaxFiles {
			return false
		}
		f = r.follow(at, path)
	}
	if f.seen == r.scans {
		return true // a second name of the same file
	}
	if f.at != path {
		f.ignored = false // perhaps another file has got the inode
	}
	if f.pos == 0 {
		f.path = path
	}
	f.seen, f.gone, f.at, f.modified = r.scans, time.Time{}, path, info.ModTime()
	r.paths[path] = f
	if size := info.Size(); size != f.size || size > f.pos && f.partial.IsZero() {
		r.enqueue(f)
	}
	return true
}

// follow begins to follow a file, where it was left if it is a known one.
func (r *reader) follow(at inode, path string) *followed {
	f := &followed{inode: at, path: path, at: path, size: -1}
	r.files[at] = f
	r.resume(f)
	return f
}

// resume finds the place in a file at which an earlier process left it.
func (r *reader) resume(f *followed) {
	marks := r.marks[f.inode]
	if len(marks) == 0 {
		return
	}
	delete(r.marks, f.inode)
	slices.SortFunc(marks, func(a, b place) int { return cmp.Compare(b.id.length, a.id.length) })
	err := r.open(f)
	if err != nil {
		r.marks[f.inode] = marks
		delete(r.files, f.inode)
		return
	}
	for _, m := range marks {
		now, err := identify(f.file, f.inode, m.id.length)
		info, statErr := f.file.Stat()
		if err == nil && statErr == nil && now == m.id && info.Size() >= m.pos && f.pos == 0 {
			f.pos, f.id, f.stored = m.pos, m.id, m.id
			continue
		}
		r.forgets[m.id] = true
	}
}

// miss deals with a file to which no followed path leads any more: it was renamed
// or deleted, and may still be written to.
func (r *reader) miss(f *followed) {
	if f.gone.IsZero() {
		f.gone = time.Now()
		if f.file == nil {
			f.at = findInode(filepath.Dir(f.at), f.inode)
		}
	}
	switch {
	case f.file == nil && f.at == "", f.ignored:
		r.drop(f)
	case !f.atEnd() || time.Since(f.gone) <= goneGrace:
		r.enqueue(f)
	case f.partial.IsZero() || r.open(f) != nil:
		r.drop(f)
	case !r.batch.full():
		r.takePartial(f) // an end will not come; the file goes with the next scan
	}
}

// drop stops following a file, once what was read of it is stored.
func (r *reader) drop(f *followed) {
	if slices.Contains(r.batch.files, f) {
		return // the next scan comes back to it
	}
	if now, err := os.Stat(f.path); err == nil && inodeOf(now) == f.inode {
		return // it is back, and the next scan finds it
	}
	away := f.away()
	r.close(f)
	delete(r.files, f.inode)
	delete(r.partial, f)
	switch {
	case f.stored.length == 0:
	case away != nil:
		r.marks[f.inode] = append(r.marks[f.inode], place{f.stored, f.pos, time.Now()})
		r.repeats.Warn("file is away with its folder: reading goes on where it stopped if it is back within an hour", f.path, away)
	default:
		r.forgets[f.stored] = true
	}
}

// findLost looks, for places in files that no path led to, in the folders: the
// files were renamed while no Syslane ran, or they were away.
func (r *reader) findLost(folders map[string]bool) {
	if len(r.marks) == 0 {
		return
	}
	for dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || compressed(e.Name()) {
				continue
			}
			info, err := e.Info()
			if err != nil || len(r.marks[inodeOf(info)]) == 0 || r.files[inodeOf(info)] != nil {
				continue
			}
			f := r.follow(inodeOf(info), filepath.Join(dir, e.Name()))
			if f.stored.length == 0 {
				r.close(f) // another file has the inode, and nobody asked for it
				delete(r.files, f.inode)
				continue
			}
			f.gone, f.modified = time.Now(), info.ModTime()
			r.enqueue(f)
		}
	}
	for at, marks := range r.marks {
		marks = slices.DeleteFunc(marks, func(m place) bool {
			late := time.Since(m.since) > forgetAfter
			if late {
				r.forgets[m.id] = true
			}
			return late
		})
		if r.marks[at] = marks; len(marks) == 0 {
			delete(r.marks, at)
		}
	}
}

// open opens a file that is not open, and closes the one that was quiet for the
// longest time where there are too many.
func (r *reader) open(f *followed) error {
	if f.file != nil {
		r.recent.MoveToFront(r.opened[f])
		return nil
	}
	for r.recent.Len() >= r.cfg.MaxOpenFiles {
		r.close(r.quietest())
	}
	err := f.open()
	if errors.Is(err, fs.ErrNotExist) {
		if f.at = findInode(filepath.Dir(f.path), f.inode); f.at != "" {
			err = f.open()
		}
	}
	if err == nil {
		r.opened[f] = r.recent.PushFront(f)
	}
	return err
}

// quietest returns the open file that was read longest ago, one that can be opened
// again if there is one.
func (r *reader) quietest() *followed {
	for e := r.recent.Back(); e != nil; e = e.Prev() {
		if f := e.Value.(*followed); f.gone.IsZero() {
			return f
		}
	}
	return r.recent.Back().Value.(*followed)
}

func (r *reader) close(f *followed) {
	if f.file == nil {
		return
	}
	f.file.Close()
	f.file = nil
	r.recent.Remove(r.opened[f])
	delete(r.opened, f)
}
