package syslane

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAPanicInTheOutputIsFound(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		n := &Node{log: filepath.Join(t.TempDir(), "relay.log")}
		if err := os.WriteFile(n.log, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := n.panicked() != nil; got != want {
			t.Errorf("found: %v in %q", got, text)
		}
	}
	const line = `{"level":"info","message":"relay is up"}` + "\n"
	f(line, false)
	f(line+"panic: runtime error: index out of range [3]\n\ngoroutine 7 [running]:\n"+line, true)
	f(line+"fatal error: concurrent map writes\n", true)
	f(line+`{"level":"error","message":"http: panic serving 127.0.0.1:1: boom"}`+"\n", true)
	f(line+"==================\nWARNING: DATA RACE\n", true)
	f(`{"level":"info","message":"peer sent: panic: no, only a message"}`+"\n", false)
}
