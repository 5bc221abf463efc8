// Command bench measures Syslane beside rsyslog and syslog-ng in one run. README.md
// says how to read what it prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/syslane/syslane/bench/cases"
	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/report"
	"github.com/syslane/syslane/bench/subject"
)

// options are what the command line says.
type options struct {
	only, subjects string
	rounds         int
	limit          time.Duration
	messages       int
	text, dir      string
	syslane, tools string
	json           string
	smoke          bool
	profile        string
	elasticsearch  string
	growth         bool
}

// maxMessages is what the largest case sends.
const maxMessages = 3_000_000

// smokeMessages is enough to see that a case works.
const smokeMessages = 2000

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "run only the cases with these names, separated by commas")
	flag.StringVar(&o.subjects, "subjects", "", "run only subjects whose names contain this")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each subject is measured; the medians are shown")
	flag.DurationVar(&o.limit, "limit", 0, "begin no measurement after this time; default: measure all")
	flag.IntVar(&o.messages, "messages", maxMessages, "the most messages that a case may send")
	flag.StringVar(&o.text, "text", "", "files of real log lines to take the texts from, separated by commas; default: generated")
	flag.StringVar(&o.dir, "dir", "", "folder on the disk to measure; default: a temporary one")
	flag.StringVar(&o.syslane, "syslane", "bin/syslane", "the syslane binary")
	flag.StringVar(&o.tools, "tools", "bin/bench", "folder with the receivers that were built for this")
	flag.StringVar(&o.json, "json", "", "file that gets all rounds as JSON")
	flag.BoolVar(&o.smoke, "smoke", false, "few messages, each looked at: shows that the cases work, and no times")
	flag.StringVar(&o.profile, "profile", "", "folder that gets profiles of Syslane during the cases, in place of a table")
	flag.StringVar(&o.elasticsearch, "elasticsearch", "", "host:port of a real server, for the case elasticsearch alone; make bench-elasticsearch starts one")
	flag.BoolVar(&o.growth, "growth", false, "no peers: how cost grows with size, connections, rules, outputs and backlog, beside loops that only receive and write")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	b := &cases.Bench{Times: 1, Check: o.smoke, Short: o.smoke}
	if o.smoke {
		o.rounds, o.messages = 1, min(o.messages, smokeMessages)
	}
	if o.profile != "" {
		o.messages *= profileTimes
	}
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.Dir = dir
	if b.Tools, err = tools(o, dir); err != nil {
		return err
	}
	if b.Messages, err = load.NewMessages(o.messages, o.text); err != nil {
		return err
	}
	r := &report.Report{Machine: machine(), Rounds: o.rounds,
		Texts: fmt.Sprintf("messages of %.0f octets, %s", b.Messages.Octets(), b.Messages.What)}
	if o.profile != "" {
		for _, c := range chosen {
			if err := profileCase(o.profile, b, c); err != nil {
				return fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return nil
	}
	measureAll(o, b, chosen, r)
	if o.json != "" {
		if err := writeJSON(o.json, r); err != nil {
			return err
		}
	}
	if o.smoke {
		return smoked(r)
	}
	return r.Markdown(os.Stdout)
}

// choose returns the cases that were asked for, with the subjects that were.
func choose(o *options) (chosen []cases.Case, err error) {
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(o.only, ",") {
		wanted[name] = o.only != ""
	}
	all := cases.All()
	if o.elasticsearch != "" {
		all = []cases.Case{cases.Elasticsearch(o.elasticsearch)}
	}
	if o.growth {
		all = cases.Growth()
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
		if o.only != "" && !wanted[c.Name] {
			continue
		}
		delete(wanted, c.Name)
		var subjects []subject.Subject
		for _, s := range c.Subjects {
			if strings.Contains(s.Name, o.subjects) && (o.profile == "" || strings.HasPrefix(s.Name, "syslane")) {
				subjects = append(subjects, s)
			}
		}
		if c.Subjects = subjects; len(subjects) > 0 {
			chosen = append(chosen, c)
		}
	}
	for name, asked := range wanted {
		if asked {
			return nil, fmt.Errorf("there is no case %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return chosen, nil
}

// measureAll measures all subjects one after the other in each round, so that a busy
// machine is unkind to all of them alike, and each round begins with another, for the
// first finds memory of which the host of a virtual machine has taken back much. It
// begins no measurement after the limit, or once it was told to stop; the table then
// shows what there is.
func measureAll(o *options, b *cases.Bench, chosen []cases.Case, r *report.Report) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	for _, c := range chosen {
		r.Begin(c)
	}
	for round := range o.rounds {
		for i, c := range chosen {
			for turn := range c.Subjects {
				if ctx.Err() != nil {
					fmt.Fprintln(os.Stderr, "bench: stopped before the last round was over")
					return
				}
				j := (round + turn) % len(c.Subjects)
				s := c.Subjects[j]
				began := time.Now()
				res, err := c.Run(b, s)
				r.Cases[i].Rows[j].Add(res, err)
				outcome := "ok"
				if err != nil {
					outcome = err.Error()
				}
				fmt.Fprintf(os.Stderr, "round %d of %d, %s, %s: %s (%.1f s)\n", round+1, o.rounds, c.Name, s.Name, outcome, time.Since(began).Seconds())
			}
		}
	}
}

// smoked says what did not work. A peer that is missing is left out, but where CI is
// set; one that takes minutes to build is a matter of who measures.
func smoked(r *report.Report) error {
	var errs []error
	for _, c := range r.Cases {
		for _, row := range c.Rows {
			if len(row.Rounds)+len(row.Failed) == 0 {
				errs = append(errs, fmt.Errorf("%s: %s: not measured, for it was stopped before", c.Name, row.Subject))
			}
			for _, failed := range row.Failed {
				if strings.Contains(failed, subject.ErrNotBuilt.Error()) {
					fmt.Fprintf(os.Stderr, "bench: %s: %s: %s\n", c.Name, row.Subject, failed)
					continue
				}
				if strings.Contains(failed, subject.ErrMissing.Error()) && os.Getenv("CI") == "" {
					leaveOut(c.Name, row.Subject, failed)
					continue
				}
				errs = append(errs, fmt.Errorf("%s: %s: %s", c.Name, row.Subject, failed))
			}
			for _, res := range row.Rounds {
				if res.Lost != 0 {
					errs = append(errs, fmt.Errorf("%s: %s: %d of %d messages lost", c.Name, row.Subject, res.Lost, res.Messages))
				}
			}
		}
	}
	if len(errs) == 0 {
		fmt.Printf("bench: %d cases work\n", len(r.Cases))
	}
	return errors.Join(errs...)
}

// leaveOut adds to the file that LEFT_OUT names, so that make test says it at its end.
func leaveOut(name, who, why string) {
	fmt.Fprintf(os.Stderr, "bench: LEFT OUT: %s: %s (%s)\n", name, who, why)
	if path := os.Getenv("LEFT_OUT"); path != "" {
		if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err == nil {
			defer f.Close()
			fmt.Fprintf(f, "bench-smoke: %s: %s (%s)\n", name, who, why)
		}
	}
}

// tools finds the programs, and makes a certificate.
func tools(o *options, dir string) (*subject.Tools, error) {
	binary, err := filepath.Abs(o.syslane)
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; build it with make build, or name one with -syslane", err)
	}
	folder, err := filepath.Abs(o.tools)
	if err != nil {
		return nil, err
	}
	certs := filepath.Join(dir, "tls")
	if out, err := exec.Command(binary, "cert", "--dir", certs, "--name", "127.0.0.1").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make certificates: %w: %s", err, out)
	}
	return &subject.Tools{Syslane: binary, Dir: folder, CA: filepath.Join(certs, "ca.pem"),
		Cert: filepath.Join(certs, "127.0.0.1.pem"), Key: filepath.Join(certs, "127.0.0.1-key.pem")}, nil
}

func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s, %d CPUs, load %s at the start, %s", time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), first, runtime.Version())
}

func writeJSON(path string, r *report.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := r.JSON(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
