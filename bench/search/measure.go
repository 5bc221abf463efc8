package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// searches are what is measured.
var searches = []struct {
	name  string
	query string
	limit int
}{
	{"rare word, all of it", needle, 0},
	{"common word, first 100", "failure", 100},
	{"absent word", "plugh0815", 0},
	{"word in a field, first 100", "host:web004.example.net app:sshd", 100},
	{"histogram 1h by severity", "| histogram 1h by severity", 0},
	{"histogram 1h of severity<=err", "severity<=err | histogram 1h", 0},
	{"top 10 host", "| top 10 host", 0},
	{"facets of host, app, severity", "| facets host, app, severity", 0},
	{"count by host, app (reads all)", "| count by host, app", 0},
	{"common word, counted (reads all)", "failure | count", 0},
	{"last hour: count by host, app", "@timestamp>=%s | count by host, app", 0},
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func measureSearches(dir string, rounds int) error {
	local, err := search.Open(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	newest := ""
	if _, err := local.Search(context.Background(), search.Request{Query: "| last 1 | fields @timestamp", Limit: 1}, func(doc []byte) error {
		newest = string(doc[bytes.Index(doc, []byte("20")) : len(doc)-2])
		return nil
	}); err != nil {
		return err
	}
	end, err := time.Parse(time.RFC3339Nano, newest)
	if err != nil {
		return err
	}
	fmt.Println("| search | median | first | results | blocks read |")
	fmt.Println("|---|---|---|---|---|")
	for _, s := range searches {
		if strings.Contains(s.query, "%s") {
			s.query = fmt.Sprintf(s.query, end.Add(-time.Hour).Format(time.RFC3339))
		}
		var times []time.Duration
		var stats search.Stats
		for range rounds {
			began := time.Now()
			stats, err = local.Search(context.Background(), search.Request{Query: s.query, Limit: s.limit}, func([]byte) error { return nil })
			if err != nil {
				return err
			}
			times = append(times, time.Since(began))
			if times[0] > 5*time.Second && len(times) == 2 {
				break
			}
		}
		first := times[0]
		fmt.Printf("| `%s` %s | %.1f ms | %.1f ms | %d | %d of %d |\n", strings.ReplaceAll(s.query, "|", `\|`), s.name,
			median(times).Seconds()*1e3, first.Seconds()*1e3, stats.Matched, stats.BlocksRead, stats.Blocks)
	}
	fmt.Println("\nresident, at most:", status("VmHWM:"), "of that anonymous, at the end:", status("RssAnon:"))
	return sizes(dir)
}

// status returns a line of /proc/self/status.
func status(name string) string {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "?"
}

// sizes prints what the log takes on disk.
func sizes(dir string) error {
	var segments, indexes int64
	err := filepath.WalkDir(filepath.Join(dir, "log"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".seg"):
			segments += info.Size()
		case strings.HasSuffix(path, ".idx"):
			indexes += info.Size()
		}
		return nil
	})
	fmt.Printf("log: %d octets in segments, %d in indexes\n", segments, indexes)
	return err
}

// measurePeers runs other programs over the same messages.
func measurePeers(dir string, rounds int) error {
	plain, packed := filepath.Join(dir, "plain.log"), filepath.Join(dir, "plain.log.zst")
	run := func(name string, args ...string) (time.Duration, int) {
		var times []time.Duration
		lines := 0
		for range rounds {
			began := time.Now()
			cmd := exec.Command(name, args...)
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil || cmd.Start() != nil {
				return 0, -1
			}
			lines = 0
			for sc := bufio.NewScanner(out); sc.Scan(); {
				lines++
			}
			cmd.Wait()
			times = append(times, time.Since(began))
			if times[0] > 10*time.Second {
				break
			}
		}
		return median(times), lines
	}
	report := func(name string, args ...string) {
		took, lines := run(name, args...)
		fmt.Printf("| `%s %s` | %.0f ms | %d lines |\n", name, strings.ReplaceAll(strings.Join(args, " "), dir+"/", ""), took.Seconds()*1e3, lines)
	}
	if _, err := os.Stat(packed); err != nil {
		report("zstd", "-q", "-3", "-k", plain)
	}
	for _, f := range []string{plain, packed} {
		if info, err := os.Stat(f); err == nil {
			fmt.Println(filepath.Base(f), info.Size())
		}
	}
	for _, word := range []string{needle, "plugh0815"} {
		report("zstdgrep", "-i", word, packed)
		report("rg", "-i", word, plain)
		report("rg", "-z", "-i", word, packed)
	}
	report("rg", "-i", "-c", "failure", plain)
	journal := filepath.Join(dir, "journal")
	if _, err := os.Stat(journal); err != nil {
		if err := os.Mkdir(journal, 0o755); err != nil {
			return err
		}
		report("/usr/lib/systemd/systemd-journal-remote", "-o", filepath.Join(journal, "test.journal"), filepath.Join(dir, "journal.export"))
	}
	var octets int64
	files, err := filepath.Glob(filepath.Join(journal, "*.journal"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			octets += info.Size()
		}
	}
	fmt.Println("journal", octets)
	for _, word := range []string{needle, "plugh0815"} {
		report("journalctl", "-q", "--no-pager", "--directory", journal, "--case-sensitive=no", "--grep", word)
	}
	return nil
}
