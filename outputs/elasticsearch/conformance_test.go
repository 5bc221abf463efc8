package elasticsearch

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/outputs/outputtest"
)

func TestConformance(t *testing.T) {
	outputtest.Run(t, func(t *testing.T) outputtest.Subject {
		var away atomic.Bool
		s := newBulkServer(t)
		s.request = func(_ int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			if away.Load() {
				writeError(w, http.StatusServiceUnavailable, "unavailable", "the cluster is away")
				return true
			}
			return false
		}
		o, err := New(testConfig(s.url), Options{Name: "es", Logger: zerolog.New(zerolog.NewTestWriter(t)), Registerer: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		return outputtest.Subject{
			Output: o, Unordered: true,
			Received: func() (all []string) {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, docs := range s.docs {
					for _, doc := range docs {
						all = append(all, string(doc))
					}
				}
				return all
			},
			Break: func() { away.Store(true) },
			Mend:  func() { away.Store(false) },
		}
	})
}
