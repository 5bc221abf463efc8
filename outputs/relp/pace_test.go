package relp

import (
	"testing"
	"time"
)

func TestANetworkIsNarrowWhereItCarriesLittleAndForAWhileAfter(t *testing.T) {
	var p pace
	at := time.Unix(1, 0)
	f := func(after time.Duration, rate uint64, known, want bool) {
		t.Helper()
		at = at.Add(after)
		if p.observe(at, rate, known); p.narrow != want {
			t.Errorf("%d octets a second, known %v: narrow is %v", rate, known, p.narrow)
		}
	}
	f(0, 0, false, false)
	f(time.Second, 1000, false, false) // there was no more to send
	f(time.Second, narrowRate, true, false)
	f(time.Second, 1_000_000, true, true)
	f(30*time.Second, 100_000, false, true)
	f(time.Second, 500_000, true, true)
	f(time.Minute, 100_000, false, true)
	f(time.Second, 100_000, false, false)
	f(time.Second, 1_000_000, true, true)
	f(2*time.Minute, 100*narrowRate, true, false)
}
