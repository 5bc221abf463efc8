package cli

import (
	"net"
	"net/http"
	"testing"
)

func TestProfilesAreServedOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:6060", "6060", "example.net:6060"} {
		if stop, err := servePprof(addr); err == nil {
			stop()
			t.Errorf("profiles were served on %q", addr)
		}
	}
}

func TestProfilesAreServed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	stop, err := servePprof(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "allocs", "block", "mutex", "profile?seconds=1"} {
		resp, err := http.Get("http://" + addr + "/debug/pprof/" + name)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	stop()
	if _, err := http.Get("http://" + addr + "/debug/pprof/"); err == nil {
		t.Error("profiles are still served after stop")
	}
}
