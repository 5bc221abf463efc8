package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// notices returns the licences and notices of the modules that are linked into a
// binary, and of Go itself: most licences want to travel along.
func notices(source string, info *buildinfo.BuildInfo) ([]byte, error) {
	var b bytes.Buffer
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	if err := addNotices(&b, "Go, its runtime and standard library, "+info.GoVersion, string(bytes.TrimSpace(root))); err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		cmd := exec.Command("go", "mod", "download", "-json", m.Path+"@"+m.Version)
		cmd.Dir, cmd.Env = source, append(os.Environ(), "GOFLAGS=-mod=mod")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", m.Path, err)
		}
		var found struct{ Dir string }
		if err := json.Unmarshal(out, &found); err != nil {
			return nil, err
		}
		if err := addNotices(&b, m.Path+" "+m.Version, found.Dir); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// addNotices adds the licence files of a module.
func addNotices(b *bytes.Buffer, name, dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, f := range files {
		upper := strings.ToUpper(f.Name())
		if f.IsDir() || !strings.HasPrefix(upper, "LICEN") && !strings.HasPrefix(upper, "NOTICE") && !strings.HasPrefix(upper, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s\n%s: %s\n%[1]s\n\n%s\n\n", strings.Repeat("=", 78), name, f.Name(), bytes.TrimSpace(text))
		found = true
	}
	if !found {
		return fmt.Errorf("%s: no licence in %s: look into what may be handed on", name, dir)
	}
	return nil
}
