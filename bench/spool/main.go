// Command spool measures the log beside other queues on disk, in one run, one
// after the other in each round: the log as a library beside tidwall/wal, and the
// relay with its collector down beside the disk queues of rsyslog and syslog-ng
// with their output down. It writes Markdown, and JSON where asked. README.md says
// how to read it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is one measurement of one subject.
type result struct {
	Subject string `json:"subject"`
	// Durable says that what was acknowledged, or taken, survives power loss at
	// any moment.
	Durable  bool `json:"durable"`
	Messages int  `json:"messages"`
	// Append and Read are messages per second; Read is 0 where it was not
	// measured.
	Append float64 `json:"append_per_second"`
	Read   float64 `json:"read_per_second,omitempty"`
	// CPU is the CPU-seconds per million messages appended, ReadCPU of those read.
	CPU     float64 `json:"cpu_seconds_per_million"`
	ReadCPU float64 `json:"read_cpu_seconds_per_million,omitempty"`
	// Disk is the octets on disk per message.
	Disk float64 `json:"octets_per_message"`
	// Failed says why there is no measurement.
	Failed string `json:"failed,omitempty"`
}

// subject is something that is measured.
type subject struct {
	name    string
	durable bool
	measure func(b *bench) (result, error)
}

// bench is what all subjects are measured with.
type bench struct {
	text    *text
	dir     string
	count   int // messages for each
	slow    int // messages for those that sync for each message or two
	syslane string
}

func main() {
	b := &bench{}
	rounds := flag.Int("rounds", 3, "how often each subject is measured; the medians are shown")
	flag.IntVar(&b.count, "messages", 300_000, "messages for each subject")
	flag.IntVar(&b.slow, "slow-messages", 3_000, "messages for the subjects that sync for each")
	flag.StringVar(&b.dir, "dir", "", "folder on the disk to measure; default: a temporary one")
	flag.StringVar(&b.syslane, "syslane", "", "the syslane binary; without it the relay is left out")
	files := flag.String("text", "", "files of real log lines to take the texts from, separated by commas; default: generated")
	only := flag.String("only", "", "measure only subjects whose name contains this")
	jsonTo := flag.String("json", "", "file that gets the results of all rounds as JSON")
	flag.Parse()
	if err := run(b, *rounds, *files, *only, *jsonTo); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(b *bench, rounds int, files, only, jsonTo string) error {
	var err error
	if b.text, err = newText(files); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "bench-spool-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	all := slices.DeleteFunc(append(logs(), daemons()...), func(s subject) bool { return !strings.Contains(s.name, only) })
	results := make([][]result, len(all))
	for round := range rounds {
		for i, s := range all {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, rounds, s.name)
			r, err := s.measure(b)
			if err != nil {
				r.Failed = err.Error()
				fmt.Fprintf(os.Stderr, "  %v\n", err)
			}
			r.Subject, r.Durable = s.name, s.durable
			results[i] = append(results[i], r)
		}
	}
	report(os.Stdout, b, rounds, results)
	if jsonTo == "" {
		return nil
	}
	out, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(jsonTo, append(out, '\n'), 0o644)
}

func median(rs []result, of func(result) float64) float64 {
	var vs []float64
	for _, r := range rs {
		if r.Failed == "" {
			vs = append(vs, of(r))
		}
	}
	if len(vs) == 0 {
		return 0
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

func report(w io.Writer, b *bench, rounds int, results [][]result) {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(w, "%s, %d CPUs, load %s, %s, %d rounds, medians; %s of %.0f octets on average.\n\n",
		time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:1], ""),
		runtime.Version(), rounds, b.text.what, b.text.average())
	fmt.Fprintln(w, "| subject | survives power loss | messages/s | CPU-s per million | messages per CPU-s | octets on disk per message | read messages/s | read / append |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|")
	for _, rs := range results {
		r := rs[0]
		append_ := median(rs, func(r result) float64 { return r.Append })
		if append_ == 0 {
			fmt.Fprintf(w, "| %s | | not measured: %s | | | | | |\n", r.Subject, r.Failed)
			continue
		}
		cpu := median(rs, func(r result) float64 { return r.CPU })
		read := median(rs, func(r result) float64 { return r.Read })
		durable, ratio, reads := "no", "", ""
		if r.Durable {
			durable = "yes"
		}
		if read > 0 {
			reads, ratio = fmt.Sprintf("%.0f", read), fmt.Sprintf("%.1f", read/append_)
		}
		fmt.Fprintf(w, "| %s | %s | %.0f | %.2f | %.0f | %.0f | %s | %s |\n", r.Subject, durable, append_, cpu, 1e6/cpu,
			median(rs, func(r result) float64 { return r.Disk }), reads, ratio)
	}
}

var errNoPeer = errors.New("the program is not installed: run e2e/setup/install-peers.sh")
