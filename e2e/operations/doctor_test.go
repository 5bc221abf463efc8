package operations

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestDoctorFindsWhatIsWrongAndLetsNoSecretOut(t *testing.T) {
	t.Setenv("PLANTED", "SECRET-of-environment")
	dir, http, pprof, in := t.TempDir(), proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("key", "SECRET-of-file\n")
	token := write("token", "SECRET-of-http\n")
	conf := write("collector.toml", fmt.Sprintf(`
state = %q
[http]
listen = %q
token = "file:token"
[[http.client]]
name = "grafana"
token = "SECRET-of-grafana"
role = "read"
[[input]]
type = "tcp"
listen = %q
[[transform]]
match = 'message contains "SECRET-of-match"'
redact_patterns = ["SECRET-of-pattern"]
[[output]]
type = "elasticsearch"
hosts = ["http://SECRET-user:SECRET-password@127.0.0.1:1"]
[[output]]
type = "elasticsearch"
name = "keyed"
hosts = ["http://127.0.0.1:1"]
api_key = "file:key"
headers = { X-Key = "${PLANTED}" }
`, filepath.Join(dir, "state"), http, in))
	p := proc.Start(t, proc.Config{
		Name: "collector", Args: []string{syslane.Binary(t), "collector", "--config", conf, "--pprof", pprof}, Log: filepath.Join(dir, "log"),
	})
	healthy(t, p, http)

	conn, err := net.Dial("tcp", in)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "<13>Oct 11 22:14:15 web1 app: hello")

	archive := filepath.Join(dir, "report.tar.gz")
	await.Until(t, time.Minute, "the doctor to see that outputs are down", func() error {
		os.Remove(archive)
		out, errs, err := run(t, "", "doctor", "--config", conf, "--token-file", token, "--pprof", pprof, "--output", archive)
		if err != nil {
			return await.Hopeless(fmt.Errorf("%w: %s", err, errs))
		}
		for _, want := range []string{`The output "elasticsearch" takes nothing`, `The output "keyed" takes nothing`, "wrote " + archive} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("%q is not in %s", want, out)
			}
		}
		return nil
	})
	parts := unpack(t, archive)
	for name, want := range map[string]string{
		"findings.txt": "takes nothing", "versions.txt": "syslane ", "configuration.toml": `"(hidden)"`, "status.json": `"keyed"`,
		"metrics.txt": "syslane_output_up", "log.txt": "", "spool.txt": "ROUTED", "disk.txt": "Filesystem", "kernel.txt": "Udp:",
		"processes.txt": "open files", "goroutines.txt": "goroutine profile",
	} {
		if text, ok := parts[name]; !ok || !strings.Contains(text, want) {
			t.Errorf("%s does not have %q: %.300s", name, want, text)
		}
	}
	text := must(t, "doctor", "--config", conf, "--token-file", token, "--pprof", pprof, "--text")
	parts["--text"] = text
	for name, text := range parts {
		if i := strings.Index(text, "SECRET"); i >= 0 {
			t.Errorf("%s has a secret: …%s…", name, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

// unpack returns the files of an archive by their names.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := tar.NewReader(zipped); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[path.Base(head.Name)] = string(text)
	}
}
