package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// maintainer is who signs the changelog; as in nfpm.yaml.
const maintainer = "Syslane maintainers <maintainers@syslane.example>"

// writePackages makes deb and rpm of a stage, as nfpm.yaml says.
func writePackages(s *stage) error {
	// nfpm.yaml names its files relative to the stage.
	home, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(s.dir); err != nil {
		return err
	}
	defer os.Chdir(home)
	config, err := nfpm.ParseFileWithEnvMapping(filepath.Join(s.source, "packaging", "nfpm.yaml"), func(name string) string {
		switch name {
		case "ARCH":
			return s.arch
		case "VERSION":
			return s.version
		}
		return ""
	})
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		name     string
		packager nfpm.Packager
	}{{"deb", deb.Default}, {"rpm", rpm.DefaultRPM}} {
		info, err := config.Get(kind.name)
		if err != nil {
			return err
		}
		info.MTime = s.time
		manuals := files.TypeFile
		if kind.name == "deb" {
			info.License = "" // Debian knows no such field; the file copyright has it
		} else {
			info.Changelog = "doc/changelog.yaml"
			manuals = files.TypeRPMDoc
		}
		info.Contents = slices.Clone(info.Contents)
		for _, name := range s.manuals {
			info.Contents = append(info.Contents, &files.Content{Source: name, Destination: "/usr/share/doc/syslane/" + name, Type: manuals})
		}
		info = nfpm.WithDefaults(info)
		path := filepath.Join(s.out, kind.packager.ConventionalFileName(info))
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		err = kind.packager.Package(info, f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return nil
}
