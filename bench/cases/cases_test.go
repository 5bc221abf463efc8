package cases

import (
	"testing"
	"time"
)

func TestWhatWasLostIsNoWork(t *testing.T) {
	got := figures(2*time.Second, time.Second, 1000, 500)
	if got.Messages != 1000 || got.Lost != 500 || got.Rate != 250 || got.CPU != 2000 {
		t.Errorf("of 1000 messages of which 500 arrived in 2 s with 1 s of CPU: %+v", got)
	}
}
