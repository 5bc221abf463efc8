package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM lists what is linked into the binary, as the binary itself says
// (go version -m): CycloneDX, in JSON.
func writeSBOM(s *stage) error {
	binary, err := os.ReadFile(s.file("syslane"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(binary)
	hashes := []cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sum)}}
	self := cyclonedx.Component{
		BOMRef: "syslane", Type: cyclonedx.ComponentTypeApplication, Name: "syslane", Version: s.version,
		PackageURL: "pkg:golang/" + s.info.Main.Path + "@" + s.version, Hashes: &hashes,
		Licenses:   &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
		Properties: &[]cyclonedx.Property{{Name: "commit", Value: s.commit}, {Name: "architecture", Value: s.arch}},
	}
	components := []cyclonedx.Component{{
		BOMRef: "std", Type: cyclonedx.ComponentTypeLibrary, Name: "std", Version: s.info.GoVersion,
		PackageURL: "pkg:golang/std@" + s.info.GoVersion[len("go"):],
	}}
	refs := []string{"std"}
	for _, m := range s.info.Deps {
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		components = append(components, cyclonedx.Component{
			BOMRef: purl, Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl,
			// What go.sum has: of the module's files, not of an archive.
			Properties: &[]cyclonedx.Property{{Name: "go.sum", Value: m.Sum}},
		})
		refs = append(refs, purl)
	}
	bom := cyclonedx.NewBOM()
	// A serial number that the same content has again: the first octets of its hash,
	// in the form of a UUID of version 8 (RFC 9562).
	id := sha256.Sum256([]byte("sbom " + s.version + s.arch + fmt.Sprintf("%x", sum)))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
	bom.Metadata = &cyclonedx.Metadata{Timestamp: s.time.Format(time.RFC3339), Component: &self}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: "syslane", Dependencies: &refs}}

	f, err := os.Create(filepath.Join(s.out, fmt.Sprintf("syslane_%s_linux_%s.cdx.json", s.version, s.arch)))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return f.Close()
}
