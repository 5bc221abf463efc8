package elasticsearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

// shared is the server of all tests; each has indices of its own.
var shared struct {
	once   sync.Once
	server *peers.Elastic
	own    bool
}

func server(t *testing.T) *peers.Elastic {
	t.Helper()
	shared.once.Do(func() {
		if url := os.Getenv("ELASTICSEARCH_URL"); url != "" {
			shared.server = &peers.Elastic{URL: strings.TrimRight(url, "/")}
			return
		}
		peers.Find(t, peers.Elasticsearch)
		shared.server, shared.own = peers.StartElastic(t), true
	})
	if shared.server == nil {
		peers.Find(t, peers.Elasticsearch)
		t.Fatal("Elasticsearch did not start: see the first test that needed it")
	}
	return shared.server
}

func TestMain(m *testing.M) {
	syslane.Main(m, func() {
		if shared.own && shared.server != nil {
			shared.server.Close()
		}
	})
}

// run makes the names of this run's indices differ from those of runs before on
// the same server.
var run = fmt.Sprintf("%x", time.Now().UnixNano())

// call sends a request and decodes the answer into out unless it is nil.
func call(t *testing.T, method, path string, body, out any) {
	t.Helper()
	var octets []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		octets = b
	default:
		var err error
		if octets, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server(t).URL+path, bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %v: %.2000s", method, path, resp.Status, err, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			t.Fatal(err)
		}
	}
}
