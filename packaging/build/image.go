package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// imageUser is the user of the image. It has no name, for the image has no passwd.
const imageUser = 65532

// writeImage makes an OCI image layout of all architectures, as an archive that
// podman load, skopeo and crane read. The image holds the binary and the shipped
// configuration, no shell and no certificates of authorities: mount those of the host
// at /etc/ssl/certs where an output needs them.
func writeImage(b *build, temp string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, s := range b.stages {
		img, err := s.image()
		if err != nil {
			return fmt.Errorf("%s: %w", s.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: s.arch},
		}})
	}
	dir := filepath.Join(temp, "oci")
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The name under which it is loaded.
	if err := l.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": b.version})); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(b.out, fmt.Sprintf("syslane_%s_oci.tar", b.version)))
	if err != nil {
		return err
	}
	defer f.Close()
	t := tar.NewWriter(f)
	for _, part := range []string{"blobs", "index.json", "oci-layout"} {
		if err := addTree(t, dir, part, "", b.time); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return f.Close()
}

// image is that of one architecture.
func (s *stage) image() (v1.Image, error) {
	files, err := s.imageFiles()
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: s.time}, CreatedBy: "syslane " + s.version,
	}}); err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created, config.OS, config.Architecture = v1.Time{Time: s.time}, "linux", s.arch
	config.Config = v1.Config{
		User:       fmt.Sprint(imageUser),
		Env:        []string{"PATH=/usr/bin", "XDG_STATE_HOME=/var/lib"},
		Entrypoint: []string{"/usr/bin/syslane"},
		Cmd:        []string{"collector", "--config", "/etc/syslane/collector.toml"},
		Volumes:    map[string]struct{}{"/var/lib/syslane": {}},
		StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "syslane",
			"org.opencontainers.image.source":   "https://github.com/syslane/syslane",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  s.version,
			"org.opencontainers.image.revision": s.commit,
			"org.opencontainers.image.created":  s.time.Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(img, config)
}

// imageFiles is the one layer, not compressed.
func (s *stage) imageFiles() ([]byte, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	dir := func(name string, mode int64, owner int) error {
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner, ModTime: s.time})
	}
	file := func(name, from string, mode int64) error {
		data, err := os.ReadFile(s.file(from))
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data)), ModTime: s.time}); err != nil {
			return err
		}
		_, err = t.Write(data)
		return err
	}
	for _, add := range []func() error{
		func() error { return dir("etc/", 0o755, 0) },
		func() error { return dir("etc/syslane/", 0o755, 0) },
		func() error { return file("etc/syslane/collector.toml", "etc/collector.toml", 0o644) },
		func() error { return file("etc/syslane/relay.toml", "etc/relay.toml", 0o644) },
		func() error { return dir("tmp/", 0o1777, 0) },
		func() error { return dir("usr/", 0o755, 0) },
		func() error { return dir("usr/bin/", 0o755, 0) },
		func() error { return file("usr/bin/syslane", "syslane", 0o755) },
		func() error { return dir("usr/share/", 0o755, 0) },
		func() error { return dir("usr/share/licenses/", 0o755, 0) },
		func() error { return dir("usr/share/licenses/syslane/", 0o755, 0) },
		func() error { return file("usr/share/licenses/syslane/LICENSE", "LICENSE", 0o644) },
		func() error {
			return file("usr/share/licenses/syslane/third-party-notices.gz", "doc/third-party-notices.gz", 0o644)
		},
		func() error { return dir("var/", 0o755, 0) },
		func() error { return dir("var/lib/", 0o755, 0) },
		func() error { return dir("var/lib/syslane/", 0o750, imageUser) },
		t.Close,
	} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
