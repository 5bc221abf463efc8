package cli

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"time"
)

// What is sampled for the profiles "block" and "mutex": blocking by its length, one
// sample for so many nanoseconds, and one in so many contentions.
const (
	blockRate    = 10_000
	mutexSamples = 10
)

// servePprof serves the profiles of the process at /debug/pprof/ on addr until stop is
// called. Profiles tell of the program, not of messages, but taking them costs CPU,
// so that only this machine may ask for them.
func servePprof(addr string) (stop func(), err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("--pprof %q: write host:port, as in 127.0.0.1:6060", addr)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.Unmap().IsLoopback() {
		return nil, fmt.Errorf("--pprof %q: profiles are served on a loopback address only, as in 127.0.0.1:6060", addr)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	runtime.SetBlockProfileRate(blockRate)
	runtime.SetMutexProfileFraction(mutexSamples)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends when stop is called; a debugging aid that fails ends nothing else.
		_ = server.Serve(listener)
	}()
	return func() { server.Close(); <-done }, nil
}
