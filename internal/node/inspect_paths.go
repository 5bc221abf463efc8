package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/vfs"
)

// What access asks for.
const (
	readIt        = unix.R_OK
	readAndEnter  = unix.R_OK | unix.X_OK
	readAndWrite  = unix.R_OK | unix.W_OK
	writeAndEnter = unix.R_OK | unix.W_OK | unix.X_OK
)

// ownFolder ends what is said about a folder that is not this user's.
const ownFolder = "give it to the user that runs Syslane (chown), or check as that user"

// access tells whether this user may.
func access(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}

// existing returns dir or the nearest folder above it that is there.
func existing(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

// makeable tells why files cannot be made in dir, or dir not be made.
func makeable(dir string) error {
	there := existing(dir)
	if info, err := os.Stat(there); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder", there)
	}
	if err := access(there, writeAndEnter); err != nil {
		return fmt.Errorf("in %s: %w", there, err)
	}
	return nil
}

// inspectState looks at the state folder: that which is named, or those that there
// may be.
func (i *inspector) inspectState() {
	severity := Failure
	switch p := i.plan; {
	case p.options.State != "":
		i.states = []string{p.options.State}
	case p.Config.State != "":
		i.states = []string{p.Config.State}
	default:
		severity = Warning // the service may well name another
	}
	var there []string
	for _, state := range i.states {
		if r, err := FindRunning(state); err == nil {
			i.running = append(i.running, r)
		}
		if _, err := os.Stat(state); err == nil {
			there = append(there, state)
		}
	}
	if len(there) == 0 && len(i.states) > 0 {
		there = i.states[:1]
	}
	for _, state := range there {
		i.inspectStateFolder(severity, state)
	}
}

func (i *inspector) inspectStateFolder(severity Severity, state string) {
	p := i.plan
	if err := makeable(state); err != nil {
		i.add(severity, p.file, "state", "the state folder %s cannot be written: %v; %s, or name another with state or --state", state, err, ownFolder)
		return
	}
	i.inspectOwners(severity, state)
	free, err := vfs.OS.DiskFree(existing(state))
	if err != nil {
		return
	}
	used, least := octetsIn(LogDir(state)), uint64(p.Config.Log.MinFree)
	if free < least {
		i.add(Warning, p.file, "log.min_free", "%s is free on the disk of %s, and log.min_free is %s: the log is full before it begins; make room, or lower log.min_free",
			config.Size(free), state, p.Config.Log.MinFree)
		return
	}
	if most := uint64(p.Config.Log.MaxSize); most > 0 && used+free-least < most {
		i.add(Warning, p.file, "log.max_size", "the log in %s can have %s on its disk (%s free, log.min_free %s kept, %s in use by it), and log.max_size is %s; make room, or lower log.max_size",
			state, config.Size(used+free-least), config.Size(free), p.Config.Log.MinFree, config.Size(used), p.Config.Log.MaxSize)
	}
}

// inspectOwners looks for files in the state folder that belong to someone else, as
// after a start by hand as root.
func (i *inspector) inspectOwners(severity Severity, state string) {
	info, err := os.Stat(state)
	if err != nil {
		return
	}
	want := uid(info)
	filepath.WalkDir(state, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			i.add(severity, i.plan.file, "state", "%v; %s", err, ownFolder)
			return fs.SkipAll
		}
		info, err := e.Info()
		if err != nil {
			return nil // gone meanwhile
		}
		mode := uint32(readAndWrite)
		if e.IsDir() {
			mode = writeAndEnter
		}
		if err := access(path, mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			i.add(severity, i.plan.file, "state", "%s belongs to %s: %v; give it to the user that runs Syslane (`chown -R %s %s`), or check as that user",
				path, userName(uid(info)), err, userName(uint32(os.Geteuid())), state)
			return fs.SkipAll
		}
		if uid(info) != want {
			i.add(Warning, i.plan.file, "state", "%s belongs to %s and the state folder to %s; if that is who runs Syslane, `chown -R %s %s`",
				path, userName(uid(info)), userName(want), userName(want), state)
			return fs.SkipAll
		}
		return nil
	})
}

func uid(info fs.FileInfo) uint32 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Uid
	}
	return 0
}

func userName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

// octetsIn is how much the files of a folder take.
func octetsIn(dir string) (sum uint64) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += uint64(info.Size())
		}
	}
	return sum
}

// inspectPaths looks at what file inputs read and where file outputs write.
func (i *inspector) inspectPaths() {
	for _, in := range i.plan.Inputs {
		for k, pattern := range in.settings.include {
			i.inspectInclude(in.table, fmt.Sprintf("include[%d]", k), pattern)
		}
	}
	for _, out := range i.plan.Outputs {
		if out.settings.file == nil {
			continue
		}
		folder := out.settings.file.Folder()
		if err := makeable(folder); err != nil {
			i.add(Failure, out.table, "path", "no file can be written below %s: %v; %s", folder, err, ownFolder)
		}
	}
}

func (i *inspector) inspectInclude(t config.Table, key, pattern string) {
	paths, _ := filepath.Glob(pattern) // the pattern was checked
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err := access(path, readIt); err != nil {
			i.add(Failure, t, key, "%s cannot be read: %v; let the user that runs Syslane read it (group adm, or setfacl), or check as that user", path, err)
			return
		}
	}
	if len(paths) > 0 {
		return
	}
	// A folder that cannot be listed looks as if it were empty.
	dirs, _ := filepath.Glob(filepath.Dir(pattern))
	for _, dir := range dirs {
		if err := access(dir, readAndEnter); err != nil {
			i.add(Failure, t, key, "%s cannot be listed: %v; let the user that runs Syslane read it (group adm, or setfacl), or check as that user", dir, err)
			return
		}
	}
	i.add(Warning, t, key, "no file matches %s yet; one that comes will be read: look whether the path is right", pattern)
}
