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

// Installed tells what Install has done.
type Installed struct {
	// File is where the configuration is now; Backup the one that was there before,
	// "" where there was none or it is the same.
	File, Backup string
	// Unchanged tells that it was there already.
	Unchanged bool
	// Checked names the program that has found it good; "" where none is here.
	Checked string
}

// Install writes a configuration for a program beneath root ("/"). What the program's
// own check refuses is not written, and a file that Snippet did not make is not
// written over.
func Install(root, program, text string, now time.Time) (Installed, error) {
	done := Installed{File: filepath.Join(root, File(program))}
	before, err := os.ReadFile(done.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return done, err
	case !strings.HasPrefix(string(before), Marker):
		return done, fmt.Errorf("%s is not of \"syslane setup\": move it away, or put the configuration elsewhere by hand", done.File)
	}
	if done.Checked, err = Check(program, text); err != nil {
		return done, err
	}
	if string(before) == text {
		done.Unchanged = true
		return done, nil
	}
	if err := os.MkdirAll(filepath.Dir(done.File), 0o755); err != nil {
		return done, err
	}
	if len(before) > 0 {
		done.Backup = done.File + ".before-" + now.Format("20060102-150405")
		if err := os.WriteFile(done.Backup, before, 0o644); err != nil {
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
