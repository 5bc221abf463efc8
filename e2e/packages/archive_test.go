package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-C", dir, "-xf", archive).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", archive, err, out)
	}
}

func TestTarballHoldsAProgramThatRuns(t *testing.T) {
	dir := t.TempDir()
	unpack(t, one(t, distribution(t), "*_linux_amd64.tar.gz"), dir)
	tree := one(t, dir, "syslane_*")
	for _, name := range []string{"LICENSE", "man/syslane.1.gz", "completions/_syslane", "systemd/syslane-relay.service", "docs/TROUBLESHOOTING.md", "etc/prometheus/syslane.rules.yml"} {
		if _, err := os.Stat(filepath.Join(tree, name)); err != nil {
			t.Error(err)
		}
	}
	for _, role := range []string{"relay", "collector"} {
		if out, err := exec.Command(filepath.Join(tree, "syslane"), "check", "--config-only", filepath.Join(tree, "etc", role+".toml")).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// descriptor is how the layout names a blob (OCI image specification).
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Platform  struct {
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// The image is followed from index.json as a registry's client does, and its program
// runs with nothing around it but the image.
func TestImageHoldsAProgramThatRunsAlone(t *testing.T) {
	dir := t.TempDir()
	unpack(t, one(t, distribution(t), "*_oci.tar"), dir)
	read := func(name string, v any) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(data, v)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	blob := func(d descriptor) string { return filepath.Join("blobs", strings.Replace(d.Digest, ":", "/", 1)) }

	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	read("index.json", &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("%d images, want one index of all architectures", len(index.Manifests))
	}
	read(blob(index.Manifests[0]), &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Platform.Architecture != "amd64" {
		t.Fatalf("architectures %+v", index.Manifests)
	}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	read(blob(index.Manifests[0]), &manifest)
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
			Cmd        []string
		} `json:"config"`
	}
	read(blob(manifest.Config), &config)
	root := filepath.Join(dir, "root")
	for _, layer := range manifest.Layers {
		unpack(t, filepath.Join(dir, blob(layer)), root)
	}
	if config.Config.User != "65532" || len(config.Config.Entrypoint) != 1 {
		t.Errorf("configuration %+v", config.Config)
	}
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "chroot needs root")
	}
	out, err := exec.Command("chroot", "--userspec=65532:65532", root, config.Config.Entrypoint[0], "check", "/etc/syslane/collector.toml").CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSBOMNamesWhatIsLinkedIn(t *testing.T) {
	data, err := os.ReadFile(one(t, distribution(t), "*_amd64.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name, Version, PURL string
		} `json:"components"`
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range bom.Components {
		if c.Version == "" || c.PURL == "" {
			t.Errorf("component %+v", c)
		}
		seen[c.Name] = true
	}
	if bom.BOMFormat != "CycloneDX" || !seen["std"] || !seen["github.com/klauspost/compress"] || seen["github.com/goreleaser/nfpm/v2"] {
		t.Errorf("format %q, %d components: %v", bom.BOMFormat, len(seen), seen)
	}
}
