package subject

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// LoopName begins the names of loops, by which targets know that these are no peers.
const LoopName = "a loop that receives"

// Loop is bench/loop, which over "tcp" or "udp" only receives, or also writes: the least
// that a receiver must do.
func Loop(name, network, mode string) Subject {
	return Subject{
		Name: name, Durable: mode == "write",
		Stored: func(r *Running) (int, error) {
			client := http.Client{Timeout: 10 * time.Second}
			resp, err := client.Get("http://" + r.HTTP)
			if err != nil {
				return 0, r.Blame(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				return 0, err
			}
			n, err := strconv.Atoi(string(text))
			if err != nil {
				return 0, fmt.Errorf("ask the loop for its count: %w", err)
			}
			return n, nil
		},
		Launch: func(s *Site) (*exec.Cmd, error) {
			program := filepath.Join(s.Tools.Dir, "loop")
			if _, err := os.Stat(program); err != nil {
				return nil, err
			}
			args := []string{"-listen", s.In, "-http", s.HTTP}
			if network == "udp" {
				args = append(args, "-udp")
			}
			if mode == "write" {
				args = append(args, "-file", filepath.Join(s.Dir, "out"))
			}
			return exec.Command(program, args...), nil
		},
	}
}
