package e2e

import (
	"sync"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

// shared is the Elasticsearch of all tests of this package: one that starts for
// each would be most of the time they take. Every test has a data stream of its
// own, and starts it again where it stopped it.
var shared struct {
	once   sync.Once
	server *peers.Elastic
}

func elasticsearch(t *testing.T) *peers.Elastic {
	t.Helper()
	peers.Find(t, peers.Elasticsearch)
	shared.once.Do(func() { shared.server = peers.StartElastic(t) })
	if shared.server == nil {
		t.Fatal("Elasticsearch did not start: see the first test that needed it")
	}
	if !shared.server.Running() {
		shared.server.Start(t)
	}
	return shared.server
}

func TestMain(m *testing.M) {
	syslane.Main(m, func() {
		if shared.server != nil {
			shared.server.Close()
		}
	})
}
