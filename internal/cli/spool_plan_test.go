package cli

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/syslane/syslane/spool"
)

func TestSpoolPlanReckons(t *testing.T) {
	f := func(want []string, args ...string) {
		t.Helper()
		out, err := syslane(t, append([]string{"spool", "plan"}, args...)...)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%q: %q is not in\n%s", args, w, out)
			}
		}
		if errs := wrong(out[strings.Index(out, "[log]"):]); len(errs) > 0 {
			t.Errorf("what it prints is no configuration: %q", errs)
		}
	}
	// 2000/s * 43200 s = 86.4 M messages of 168 octets: 67 on disk each, 5.8 GB.
	f([]string{"86,400,000 messages", "67 octets a message", "needed    5.4GiB", `max_size = "7GiB"`, `codec = "s2"`}, "--rate", "2000", "--outage", "12h", "--size", "168")
	f([]string{"46 octets", `codec = "zstd"`}, "--rate", "2000", "--outage", "12h", "--size", "168", "--compression", "zstd")
	f([]string{"72h0m0s", `max_size = "1GiB"`}, "--rate", "0.5", "--outage", "3d")
	bad := func(want string, args ...string) {
		t.Helper()
		if _, err := syslane(t, append([]string{"spool", "plan"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
	bad("--rate", "--outage", "1h")
	bad("want a time", "--rate", "1")
	bad("want a time", "--rate", "1", "--outage", "-1h")
	bad("s2, zstd or none", "--rate", "1", "--outage", "1h", "--compression", "lz4")
	bad("want octets", "--rate", "1", "--outage", "1h", "--size", "big")
	bad("no disk", "--rate", "1e300", "--outage", "1h")
	bad("no folder", "--outage", "1h", "--dir", "/no/such/folder")
}

// What is measured in a log is what its next messages of the kind take.
func TestSpoolPlanMeasuresInALogThatIsThere(t *testing.T) {
	dir := t.TempDir()
	log, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	octets := func() int64 { return log.Stats().Bytes }
	appendSome := func(from int) {
		for i := from; i < from+50; i++ {
			batch := spool.Batch{Count: 200}
			for j := range batch.Count {
				record := fmt.Appendf(nil, "<13>Oct 11 22:14:15 web%d app[%d]: message %d of %d", j%7, i, i*j, j)
				batch.Records = append(binary.AppendUvarint(batch.Records, uint64(len(record))), record...)
			}
			if _, err := log.Append(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	appendSome(0)
	out, err := syslane(t, "spool", "plan", "--dir", dir, "--outage", "1h", "--rate", "1000")
	if err != nil {
		t.Fatal(err)
	}
	var each float64
	if m := regexp.MustCompile(`on disk +(\d+) octets a message \(measured in 10,000 messages\)`).FindStringSubmatch(out); m == nil {
		t.Fatalf("nothing was measured:\n%s", out)
	} else {
		fmt.Sscan(m[1], &each)
	}
	before := octets()
	appendSome(50)
	grown := float64(octets()-before) / 10000
	if grown < each*0.8 || grown > each*1.2 {
		t.Errorf("it reckons with %v octets a message, the next took %.1f", each, grown)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err = syslane(t, "spool", "plan", "--dir", dir, "--outage", "1h"); err != nil || !strings.Contains(out, "measured over") {
		t.Errorf("the rate is not measured: %v\n%s", err, out)
	}
}
