package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// What is redacted is nowhere on the disk of the relay or the collector; the fields
// that the relay has set, and the hashes, arrive.
func TestWhatIsRedactedIsNowhereOnDisk(t *testing.T) {
	collector, addr := collect(t)
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf(`
[log]
codec = "none"
[[input]]
type = "tcp"
listen = %q
extract = ["json", "kv"]
[[output]]
type = "relp"
targets = [%q]
[[transform]]
redact = ["card", "email"]
hash = { key = "0123456789abcdef" }
[[transform]]
match = 'app == "shop"'
set = { 'sd["site@32473"]["name"]' = "zrh" }
tag = ["paid"]
`, listen, addr))
	const count = 1000
	var lines []byte
	for i := range count {
		lines = fmt.Appendf(lines, "<13>1 2026-03-04T05:06:07Z web%d shop - - [o@1 card=\"4111111111111111\"] {\"mail\":\"jo\\u0040example.org\",\"n\":%d,\"card\":\"4111-1111-1111-1111\"}\n", i%5, i)
	}
	syslane.Send(t, listen, lines)
	collector.WaitFor(t, arrival, count, "syslane_log_stored_messages_total")
	relay.Balance(t)
	documents := 0
	hash := ""
	collector.Each(t, func(document []byte) error {
		var d struct {
			Log struct {
				Syslog struct {
					SD map[string]map[string]string `json:"structured_data"`
				}
			}
			Tags []string
		}
		if err := json.Unmarshal(document, &d); err != nil {
			return err
		}
		sd := d.Log.Syslog.SD
		if hash == "" {
			hash = sd["o@1"]["card"]
		}
		if sd["site@32473"]["name"] != "zrh" || sd["tags@32473"]["tag"] != "paid" || sd["o@1"]["card"] != hash || len(hash) != 25 {
			return fmt.Errorf("the structured data is %v", sd)
		}
		if bytes.Contains(document, []byte("jo@example.org")) || bytes.Contains(document, []byte("4111")) || !bytes.Contains(document, []byte(`"transformed"`)) {
			return fmt.Errorf("the document is %s", document)
		}
		documents++
		return nil
	})
	if documents != count {
		t.Errorf("%d documents, want %d", documents, count)
	}
	relay.Shutdown(t)
	collector.Shutdown(t)
	seen := 0
	err := filepath.WalkDir(relay.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		octets, err := os.ReadFile(path)
		if bytes.Contains(octets, []byte("site@32473")) {
			seen++
		}
		for _, secret := range []string{"4111111111111111", "4111-1111-1111-1111", "jo@example.org"} {
			if bytes.Contains(octets, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("%d files of the log were looked at, %v", seen, err)
	}
}
