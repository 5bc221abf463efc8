package chaos

import (
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

var others = flag.Bool("others", false, "also put rsyslog and syslog-ng under the faults")

// What the same faults do to others is no test of Syslane: it fails only where the
// harness does.
func TestOthersUnderTheSameFaults(t *testing.T) {
	if !*others {
		t.Skip("a comparison, made with -others")
	}
	requirements(t)
	if *seed == 0 {
		*seed = rand.Uint64N(1e6)
	}
	for name, start := range map[string]func(testing.TB) *cluster{"rsyslog": startRsyslogs, "syslog-ng": startSyslogNGs} {
		t.Run(name, func(t *testing.T) {
			t.Logf("seed %d, %v", *seed, *length)
			c := start(t)
			for _, a := range c.agents {
				a.send(*rate)
			}
			began := time.Now()
			inflict(t, c, plan(*seed, *length, c, kinds("", *without)), began)
			t.Logf("%5.1f s: the last fault has ended", time.Since(began).Seconds())
			time.Sleep(calm)
			for _, a := range c.agents {
				if err := a.stopSending(); err != nil {
					t.Errorf("%s: %v", a.name, err)
				}
			}
			rest(t, c)
			k := newChecker(t, c)
			k.trim = true
			documents := 0
			err := c.elastic.Each(othersIndex, func(_ string, source json.RawMessage) error {
				documents++
				if _, number, of := k.take(source); of != nil {
					of.documents[number]++
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d documents, %d of them foreign or harmed", documents, len(k.foreign))
			for _, f := range k.foreign[:min(len(k.foreign), 3)] {
				t.Log(f)
			}
			for _, y := range k.tallies {
				t.Log(y)
			}
		})
	}
}

// rest waits until nothing new has arrived for half a minute.
func rest(t *testing.T, c *cluster) {
	t.Helper()
	last, since := -1, time.Now()
	err := await.Nil(5*time.Minute, func() error {
		n, err := c.elastic.Count(othersIndex)
		if err != nil {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < 30*time.Second {
			return errors.New("documents still come in")
		}
		time.Sleep(time.Second)
		return nil
	})
	if err != nil {
		t.Log(err)
	}
}
