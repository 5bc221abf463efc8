package main

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// writeTarball makes the archive for everybody else: all of the stage but what only
// deb and rpm need.
func writeTarball(s *stage) (err error) {
	name := fmt.Sprintf("syslane_%s_linux_%s", s.version, s.arch)
	f, err := os.Create(filepath.Join(s.out, name+".tar.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, part := range []string{"CHANGELOG.md", "LICENSE", "README.md", "completions", "docs", "doc/third-party-notices.gz", "etc", "man", "syslane", "systemd"} {
		if err := addTree(t, s.dir, part, name+"/", s.time); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// addTree adds the file or folder at dir/path to an archive, names behind prefix, in
// order, and owned by root.
func addTree(t *tar.Writer, dir, path, prefix string, when time.Time) error {
	return filepath.WalkDir(filepath.Join(dir, path), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: prefix + name, Mode: int64(info.Mode().Perm()), ModTime: when, Format: tar.FormatPAX}
		if d.IsDir() {
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
			return t.WriteHeader(h)
		}
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		src, err := os.Open(file)
		if err != nil {
			return err
		}
		defer src.Close()
		_, err = io.Copy(t, src)
		return err
	})
}
