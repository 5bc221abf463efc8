package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stage is a folder with all that goes into the packages of an architecture, at the
// paths that nfpm.yaml names.
type stage struct {
	*build
	arch, dir string
	info      *buildinfo.BuildInfo // of the binary
	manuals   []string             // the files of the manual, relative to the stage as to the source
}

// file returns the path of a file of the stage.
func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }

// write puts a file there, with permissions that do not depend on the umask.
func (s *stage) write(name string, data []byte, mode fs.FileMode) error {
	path := s.file(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func (s *stage) make(ctx context.Context) error {
	if err := s.compile(ctx); err != nil {
		return err
	}
	if err := s.pages(ctx); err != nil {
		return err
	}
	for _, step := range []func() error{s.copies, s.manual, s.documents} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// compile makes the binary: static, and without anything of this machine in it.
func (s *stage) compile(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X github.com/syslane/syslane/internal/cli.Version="+s.version,
		"-o", s.file("syslane"), ".")
	cmd.Dir, cmd.Stderr = s.source, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+s.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	if err := os.Chmod(s.file("syslane"), 0o755); err != nil {
		return err
	}
	var err error
	s.info, err = buildinfo.ReadFile(s.file("syslane"))
	return err
}

// copies takes over what is packaged as it is.
func (s *stage) copies() error {
	return s.copy(
		"etc/relay.toml", "etc/collector.toml", "etc/syslane.schema.json", "LICENSE", "CHANGELOG.md",
		"packaging/deb/copyright", "packaging/deb/lintian-overrides",
		"packaging/deb/postinst", "packaging/deb/prerm", "packaging/deb/postrm",
		"packaging/rpm/post", "packaging/rpm/preun", "packaging/rpm/postun",
		"packaging/systemd/syslane-relay.service", "packaging/systemd/syslane-relay.socket",
		"packaging/systemd/syslane-collector.service",
		"packaging/systemd/syslane.sysusers", "packaging/systemd/syslane.tmpfiles",
	)
}

// manual takes over README, the manual and the examples that it speaks of, so that who
// is on call has them on the machine.
func (s *stage) manual() error {
	for _, pattern := range []string{
		"README.md", "docs/*.md", "docs/images/*", "etc/dashboards/*", "etc/journald/*", "etc/prometheus/syslane.rules.yml", "etc/rsyslog/*", "etc/syslog-ng/*",
	} {
		files, err := filepath.Glob(filepath.Join(s.source, pattern))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("there is no %s to package", pattern)
		}
		for _, file := range files {
			name, err := filepath.Rel(s.source, file)
			if err != nil {
				return err
			}
			s.manuals = append(s.manuals, name)
		}
	}
	return s.copy(s.manuals...)
}

// copy takes over files of the source; what packaging/ has stands beside the rest.
func (s *stage) copy(names ...string) error {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(s.source, name))
		if err != nil {
			return err
		}
		if err := s.write(strings.TrimPrefix(name, "packaging/"), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pages writes a manual page for each command, and completions.
func (s *stage) pages(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "syslane-manual-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, "go", "run", "./internal/manpages", "-version", s.version, "-date", fmt.Sprint(s.time.Unix()), dir)
	cmd.Dir, cmd.Stderr = s.source, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("manual pages: %w", err)
	}
	for _, part := range []string{"man", "completions"} {
		files, err := os.ReadDir(filepath.Join(dir, part))
		if err != nil {
			return err
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(dir, part, f.Name()))
			if err != nil {
				return err
			}
			if part == "man" {
				err = s.writeZipped("man/"+f.Name()+".gz", text)
			} else {
				err = s.write("completions/"+f.Name(), text, 0o644)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// documents writes what is read beside the program: changes, and the notices of the
// modules that are linked in.
func (s *stage) documents() error {
	changes, err := os.ReadFile(filepath.Join(s.source, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if err := s.writeZipped("doc/changelog.gz", changes); err != nil {
		return err
	}
	debian := fmt.Sprintf("syslane (%s-1) stable; urgency=medium\n\n  * Packaged from commit %.12s. What has changed is in changelog.gz.\n\n -- %s  %s\n",
		s.version, s.commit, maintainer, s.time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if err := s.writeZipped("doc/changelog.Debian.gz", []byte(debian)); err != nil {
		return err
	}
	rpm := fmt.Sprintf("- semver: %q\n  date: %s\n  packager: %q\n  changes:\n    - note: Packaged from commit %.12s. What has changed is in changelog.gz.\n",
		s.version+"-1", s.time.Format(time.RFC3339), maintainer, s.commit)
	if err := s.write("doc/changelog.yaml", []byte(rpm), 0o644); err != nil {
		return err
	}
	notices, err := notices(s.source, s.info)
	if err != nil {
		return err
	}
	return s.writeZipped("doc/third-party-notices.gz", notices)
}

// writeZipped writes a file compressed, as Debian wants documents.
func (s *stage) writeZipped(name string, data []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return s.write(name, b.Bytes(), 0o644)
}
