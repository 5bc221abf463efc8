package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/syslane/syslane/"

// layers are the storeys of the house, from the roof down: a package imports
// packages of lower storeys only, but for what beside allows. A name ending in
// /... stands for the package and all below it.
var layers = [][]string{
	{"main", "internal/manpages"},
	{"internal/cli"},
	{"internal/doctor"},
	{"relay", "collector"},
	{"internal/node"},
	{"inputs/...", "internal/pipeline", "spool/...", "internal/delivery", "internal/deadletter", "outputs/...", "search/...", "internal/web", "internal/web/page", "internal/alert"},
	{"internal/convert/...", "internal/agent"},
	{"internal/syslog", "parser", "internal/match", "internal/route", "internal/redact", "internal/transform", "internal/dedupe", "internal/limit", "internal/relp", "internal/ecs", "internal/oldlog", "internal/skipdata", "internal/tlsconf", "internal/receive", "internal/metrics", "internal/notify", "internal/vfs", "internal/activation", "internal/config", "etc", "docs"},
}

// beside are the imports within a storey: who may import whom.
var beside = map[string][]string{
	"inputs/...":         {"inputs"},
	"outputs/...":        {"outputs", "outputs/targets"},
	"spool/...":          {"spool/..."},
	"search/...":         {"spool/...", "search/..."},
	"internal/pipeline":  {"inputs", "spool"},
	"internal/delivery":  {"outputs", "spool", "internal/deadletter"},
	"internal/alert":     {"search/...", "spool"},
	"internal/notify":    {"internal/config", "internal/tlsconf"},
	"internal/web":       {"internal/web/page", "search/...", "spool"},
	"parser":             {"internal/syslog"},
	"internal/match":     {"internal/syslog", "internal/config"},
	"internal/dedupe":    {"internal/syslog", "internal/match"},
	"internal/limit":     {"internal/syslog", "internal/match"},
	"internal/redact":    {"internal/syslog"},
	"internal/transform": {"internal/syslog", "internal/match", "internal/redact", "internal/config", "parser"},
	"internal/route":     {"internal/syslog", "internal/match"},
	"internal/ecs":       {"internal/syslog"},
	"internal/oldlog":    {"internal/syslog", "parser"},
	"internal/skipdata":  {"internal/syslog"},
	"internal/tlsconf":   {"internal/config"},
	"internal/relp":      {"internal/syslog"},
	"internal/receive":   {"internal/activation", "internal/syslog", "internal/tlsconf", "internal/metrics"},

	"internal/convert/...": {"internal/convert"},
}

// never are imports that stay forbidden by any way round.
var never = []struct{ from, to string }{
	{"inputs/...", "spool/..."},
	{"outputs/...", "spool/..."},
	{"outputs/...", "internal/delivery"},
	{"spool/...", "parser"},
	{"spool/...", "internal/syslog"},
	{"relay", "collector"},
	{"collector", "relay"},
	{"main", "e2e/..."},
	{"main", "bench/..."},
}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

func TestEveryPackageIsNamedInTheArchitecture(t *testing.T) {
	page, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range listPackages(t) {
		name := short(p.ImportPath)
		if name == "main" || within(name, "e2e/...") || within(name, "bench/...") || within(path.Dir(name), "internal/convert/...") {
			continue
		}
		if !bytes.Contains(page, []byte("`"+name+"`")) && !bytes.Contains(page, []byte("`"+name+"/")) {
			t.Errorf("docs/ARCHITECTURE.md does not say what %s is for", name)
		}
	}
}

func TestImportsRunDownwardsOnly(t *testing.T) {
	for _, p := range listPackages(t) {
		name := short(p.ImportPath)
		if within(name, "e2e/...") || within(name, "bench/...") {
			continue
		}
		storey := layerOf(name)
		if storey < 0 {
			t.Errorf("%s has no place in the layers of this test: give it one", name)
			continue
		}
		for _, imported := range ours(p.Imports) {
			if s := layerOf(imported); s > storey || s == storey && allowedBeside(name, imported) {
				continue
			}
			t.Errorf("%s imports %s, which does not lie below it", name, imported)
		}
		for _, n := range never {
			if !within(name, n.from) {
				continue
			}
			for _, dep := range ours(p.Deps) {
				if within(dep, n.to) {
					t.Errorf("%s depends on %s", name, dep)
				}
			}
		}
	}
}

// The tests of this folder are black-box: they know the program by what it
// answers, not by its code.
func TestEndToEndTestsImportNothingOfTheProduct(t *testing.T) {
	for _, p := range listPackages(t) {
		if !within(short(p.ImportPath), "e2e/...") {
			continue
		}
		for _, imported := range ours(p.Imports) {
			if !within(imported, "e2e/...") {
				t.Errorf("%s imports %s", short(p.ImportPath), imported)
			}
		}
	}
}

func listPackages(t *testing.T) (packages []listed) {
	t.Helper()
	// With a profile main has its own variant of each package, under another name.
	cmd := exec.Command("go", "list", "-pgo=off", "-json=ImportPath,Imports,Deps", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// short is an import path within this module; "main" is its root.
func short(path string) string {
	if path == strings.TrimSuffix(module, "/") {
		return "main"
	}
	return strings.TrimPrefix(path, module)
}

// ours returns those of the import paths that lie in this module, shortened.
func ours(paths []string) (names []string) {
	for _, p := range paths {
		if strings.HasPrefix(p+"/", module) {
			names = append(names, short(p))
		}
	}
	return names
}

func within(name, pattern string) bool {
	root, tree := strings.CutSuffix(pattern, "/...")
	return name == root || tree && strings.HasPrefix(name, root+"/")
}

func layerOf(name string) int {
	return slices.IndexFunc(layers, func(layer []string) bool {
		return slices.ContainsFunc(layer, func(pattern string) bool { return within(name, pattern) })
	})
}

func allowedBeside(from, to string) bool {
	for pattern, allowed := range beside {
		if within(from, pattern) && slices.ContainsFunc(allowed, func(p string) bool { return within(to, p) }) {
			return true
		}
	}
	return false
}
