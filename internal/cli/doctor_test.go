package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A token of the role "read" gives the status, but not the metrics.
func TestDoctorSaysWhatItWasNotGiven(t *testing.T) {
	for name, c := range map[string]struct {
		status string
		want   string
	}{
		"metrics": {`{"role": "collector"}`, "The metrics cannot be read: "},
		"status":  {`<html>`, "No Syslane runs here"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/v1/status" {
				http.Error(w, "the token is one of the role read", http.StatusForbidden)
				return
			}
			w.Write([]byte(c.status))
		}))
		defer server.Close()
		dir := t.TempDir()
		config := filepath.Join(dir, "the.toml")
		if err := os.WriteFile(config, []byte("[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		d := doctorOptions{config: config, state: dir, program: "none-of-this-name", source: source{server: server.URL}, output: filepath.Join(dir, "report")}
		var out bytes.Buffer
		if err := d.run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: it says not %q:\n%s", name, c.want, out.String())
		}
	}
}
