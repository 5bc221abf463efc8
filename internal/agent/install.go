package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Installed tells what Install has done with one file.
type Installed struct {
	// File is where the configuration is now; Backup the one that was there before,
	// "" where there was none or it is the same.
	File, Backup string
	// Unchanged tells that it was there already.
	Unchanged bool
	// Checked names the program that has found it good; "" where none is here.
	Checked string
}

// Install writes the files of a program's configuration beneath root ("/"). Where the
// program's own check refuses the first nothing is written, and a file that Files did
// not make is not written over.
func Install(root, program string, files []File, now time.Time) ([]Installed, error) {
	for _, f := range files {
		if _, err := replaceable(filepath.Join(root, f.Path)); err != nil {
			return nil, err
		}
	}
	checked, err := Check(program, files[0].Text)
	if err != nil {
		return nil, err
	}
	var list []Installed
	for _, f := range files {
		done, err := install(filepath.Join(root, f.Path), f.Text, now)
		if err != nil {
			return list, err
		}
		list = append(list, done)
	}
	list[0].Checked = checked
	return list, nil
}

// replaceable returns what is in a file, "" where there is none. It fails where the
// file is somebody else's.
func replaceable(file string) (string, error) {
	before, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !strings.HasPrefix(string(before), Marker):
		return "", fmt.Errorf("%s is not of \"syslane setup\": move it away, or put the configuration elsewhere by hand", file)
	}
	return string(before), nil
}

// install writes one file.
func install(file, text string, now time.Time) (Installed, error) {
	done := Installed{File: file}
	before, err := replaceable(file)
	if err != nil {
		return done, err
	}
	if before == text {
		done.Unchanged = true
		return done, nil
	}
	if err := os.MkdirAll(filepath.Dir(done.File), 0o755); err != nil {
		return done, err
	}
	if len(before) > 0 {
		done.Backup = done.File + ".before-" + now.Format("20060102-150405")
		if err := os.WriteFile(done.Backup, []byte(before), 0o644); err != nil {
			return done, fmt.Errorf("keep what was there: %w", err)
		}
	}
	// The file appears whole, for the program may read it at any time.
	if err := os.WriteFile(done.File+".new", []byte(text), 0o644); err != nil {
		return done, err
	}
	return done, os.Rename(done.File+".new", done.File)
}

// Check lets the program itself read a configuration. It returns the program's path, ""
// where it is not installed, and its objections.
func Check(program, text string) (by string, err error) {
	dir, err := os.MkdirTemp("", "syslane-setup-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "check.conf")
	var args []string
	switch program {
	case Rsyslog:
		by = find("rsyslogd")
		args = []string{"-N1", "-f", file}
	case SyslogNG:
		by = find("syslog-ng")
		args = []string{"--syntax-only", "--no-caps", "--cfgfile=" + file}
		text = "@version: current\nsource " + sourceOf(text) + " { internal(); };\n" + text
	default:
		return "", nil // systemd-journal-upload has no check
	}
	if by == "" {
		return "", nil
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return by, err
	}
	out, err := exec.Command(by, args...).CombinedOutput()
	if err == nil && strings.Contains(string(out), "error:") {
		err = errors.New("errors") // rsyslogd ends well all the same, as it would start
	}
	if err != nil {
		return by, fmt.Errorf("%s refuses the configuration, nothing was written: %s", by, strings.TrimSpace(string(out)))
	}
	return by, nil
}

// sourceOf returns the source that the log path of a configuration names.
func sourceOf(text string) string {
	_, name, _ := strings.Cut(text, "log { source(")
	name, _, _ = strings.Cut(name, ")")
	return name
}

// find looks for a daemon, which may not be on the path of a user.
func find(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}
