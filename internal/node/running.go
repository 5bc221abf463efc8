package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// Running is what a process leaves in its state folder for those who look for it.
type Running struct {
	PID int `json:"pid"`
	// Birth tells the process from a later one with its PID: field starttime of
	// proc_pid_stat(5), 0 where there is none.
	Birth   uint64    `json:"birth"`
	Role    string    `json:"role"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Reload is the last; nil where there was none.
	Reload *Reload `json:"reload,omitempty"`
}

func runningPath(state string) string { return filepath.Join(state, "running.json") }

// FindRunning returns the process that runs on a state folder.
func FindRunning(state string) (*Running, error) {
	path := runningPath(state)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no relay or collector runs in %s: name the state folder of the one that is meant", filepath.Clean(state))
	}
	if err != nil {
		return nil, err
	}
	var r Running
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.PID <= 1 || syscall.Kill(r.PID, 0) == syscall.ESRCH || birth(r.PID) != r.Birth {
		return nil, fmt.Errorf("the %s of %s has ended: start it", r.Role, filepath.Clean(state))
	}
	return &r, nil
}

// record writes down that the node runs, and what its last reload has come to.
func (n *Node) record(last *Reload) {
	pid := os.Getpid()
	text, err := json.MarshalIndent(Running{pid, birth(pid), n.role.Name, n.current().options.Version, n.started, last}, "", "  ")
	if err == nil {
		err = vfs.WriteFileAtomic(vfs.OS, runningPath(n.state), append(text, '\n'), 0o640)
	}
	if err != nil {
		n.logger.Warn().Err(err).Msg("\"syslane reload\" will not find this process, or not hear of its last reload")
	}
}

// birth returns when a process began, in ticks since the boot; 0 where that is unknown.
func birth(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	const starttime = 22 - 3
	if len(fields) <= starttime {
		return 0
	}
	ticks, _ := strconv.ParseUint(fields[starttime], 10, 64)
	return ticks
}
