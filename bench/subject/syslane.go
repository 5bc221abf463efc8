package subject

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Syslane is the program of this house. The settings are its defaults but for what
// a name says.
func Syslane(name string, c SyslaneConfig) Subject {
	sends := map[string]Sends{"relp": SendsRELP, "elasticsearch": SendsBulk}[c.Output]
	stored := syslaneStored
	if c.Files > 0 {
		stored = syslaneWritten(c.Files)
	}
	return Subject{Name: name, Durable: !strings.Contains(c.Log, `sync = "os"`), Launch: c.launch, Stored: stored, Sends: sends}
}

// SyslaneConfig says which role it plays and how.
type SyslaneConfig struct {
	// Role is "collector" or "relay".
	Role string
	// Input is the type of the input, and Output that of the output, "" for none.
	Input, Output string
	// InputMore, OutputMore and Log are further lines of their tables, More further tables.
	InputMore, OutputMore, Log, More string
	// Files is how many outputs there are that write all into a file.
	Files int
}

func (c SyslaneConfig) launch(s *Site) (*exec.Cmd, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "state = %q\n[http]\nlisten = %q\n[logging]\nlevel = \"warn\"\n[log]\n%s\n", filepath.Join(s.Dir, "state"), s.HTTP, c.Log)
	fmt.Fprintf(&b, "[[input]]\ntype = %q\nlisten = %q\n%s\n", c.Input, s.In, c.InputMore)
	if c.Input == "tls" {
		fmt.Fprintf(&b, "tls = { cert_file = %q, key_file = %q }\n", s.Tools.Cert, s.Tools.Key)
	}
	switch c.Output {
	case "relp":
		fmt.Fprintf(&b, "[[output]]\ntype = \"relp\"\nname = \"out\"\ntargets = [%q]\nretry_max = \"1s\"\n%s\n", s.Out, c.OutputMore)
	case "elasticsearch":
		fmt.Fprintf(&b, "[[output]]\ntype = \"elasticsearch\"\nname = \"out\"\nhosts = [\"http://%s\"]\n%s\n", s.Out, c.OutputMore)
	}
	for n := range c.Files {
		fmt.Fprintf(&b, "[[output]]\ntype = \"file\"\nname = \"file-%d\"\npath = %q\n", n, filepath.Join(s.Dir, fmt.Sprintf("file-%d", n)))
	}
	b.WriteString(c.More)
	conf := filepath.Join(s.Dir, c.Role+".toml")
	args := []string{c.Role, "--config", conf}
	if s.Profile {
		args = append(args, "--pprof", s.PProf)
	}
	return exec.Command(s.Tools.Syslane, args...), os.WriteFile(conf, []byte(b.String()), 0o644)
}

// syslaneStored is what all inputs have stored.
func syslaneStored(r *Running) (total int, err error) {
	counts, err := syslaneCounts(r, "syslane_input_stored_messages_total")
	for _, n := range counts {
		total += n
	}
	return total, err
}

// syslaneWritten is what each of so many outputs has written at least.
func syslaneWritten(outputs int) func(*Running) (int, error) {
	return func(r *Running) (int, error) {
		counts, err := syslaneCounts(r, "syslane_output_delivered_messages_total")
		if err != nil || len(counts) < outputs {
			return 0, err
		}
		return slices.Min(counts), nil
	}
}

// syslaneCounts asks /metrics for a counter, one figure for each input or output. It
// costs the subject two milliseconds.
func syslaneCounts(r *Running, counter string) (counts []int, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + r.HTTP + "/metrics")
	if err != nil {
		return nil, r.Blame(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) == 2 && strings.HasPrefix(f[0], counter+"{") {
			n, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return nil, fmt.Errorf("/metrics: %q: %w", line, err)
			}
			counts = append(counts, int(n))
		}
	}
	return counts, nil
}
