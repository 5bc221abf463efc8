package subject

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Syslane is the program of this house. The settings are its defaults but for what
// a name says.
func Syslane(name string, c SyslaneConfig) Subject {
	sends := map[string]Sends{"relp": SendsRELP, "elasticsearch": SendsBulk}[c.Output]
	return Subject{Name: name, Durable: !strings.Contains(c.Log, `sync = "os"`), Launch: c.launch, Stored: syslaneStored, Sends: sends}
}

// SyslaneConfig says which role it plays and how.
type SyslaneConfig struct {
	// Role is "collector" or "relay".
	Role string
	// Input is the type of the input, and Output that of the output, "" for none.
	Input, Output string
	// InputMore, OutputMore and Log are further lines of their tables.
	InputMore, OutputMore, Log string
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
	conf := filepath.Join(s.Dir, c.Role+".toml")
	args := []string{c.Role, "--config", conf}
	if s.Profile {
		args = append(args, "--pprof", s.PProf)
	}
	return exec.Command(s.Tools.Syslane, args...), os.WriteFile(conf, []byte(b.String()), 0o644)
}

// syslaneStored asks /metrics. It costs the subject two milliseconds.
func syslaneStored(r *Running) (int, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + r.HTTP + "/metrics")
	if err != nil {
		return 0, r.Blame(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	total := 0
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) == 2 && strings.HasPrefix(f[0], "syslane_input_stored_messages_total{") {
			n, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return 0, fmt.Errorf("/metrics: %q: %w", line, err)
			}
			total += int(n)
		}
	}
	return total, nil
}
