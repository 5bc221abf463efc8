// Command build makes what Syslane is handed out as: deb, rpm and a static tarball
// for each architecture, an OCI image layout for all, an SBOM each, and SHA256SUMS.
//
// What it makes depends on the commit only: the same commit gives the same octets,
// on any machine and in any folder. Times are those of the commit
// (SOURCE_DATE_EPOCH overrides), paths are trimmed, permissions are set.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	source := flag.String("source", ".", "the source tree")
	out := flag.String("out", "dist", "folder for what is made; what it holds of an earlier run is removed")
	arches := flag.String("arch", "amd64,arm64", "architectures")
	version := flag.String("version", "", "version (default: that of the commit)")
	flag.Parse()

	b := &build{}
	var err error
	if b.source, err = filepath.Abs(*source); err != nil {
		return err
	}
	if b.out, err = filepath.Abs(*out); err != nil {
		return err
	}
	if b.release, err = releaseOf(ctx, b.source, *version); err != nil {
		return err
	}
	if err := clean(b.out); err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "syslane-packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, arch := range strings.Split(*arches, ",") {
		s := &stage{build: b, arch: arch, dir: filepath.Join(temp, arch)}
		if err := s.make(ctx); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
		b.stages = append(b.stages, s)
		for _, write := range []func(*stage) error{writePackages, writeTarball, writeSBOM} {
			if err := write(s); err != nil {
				return fmt.Errorf("%s: %w", arch, err)
			}
		}
	}
	if err := writeImage(b, temp); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return writeSums(b.out)
}

// build is one run.
type build struct {
	release
	source, out string
	stages      []*stage
}

// clean makes dir an empty folder. It removes nothing but what an earlier run made.
func clean(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{`syslane[_\-]*`, "SHA256SUMS"} {
		made, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range made {
			if err := os.RemoveAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}
