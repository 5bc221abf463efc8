package subject

import (
	"os"
	"os/exec"
	"path/filepath"
)

// GoSyslog is bench/gosyslog, a receiver made of mcuadros/go-syslog. It has no
// settings.
func GoSyslog() Subject {
	return Subject{
		Name: "mcuadros/go-syslog", Stored: linesOut, Settle: fileSettle,
		Launch: func(s *Site) (*exec.Cmd, error) {
			program := filepath.Join(s.Tools.Dir, "gosyslog")
			if _, err := os.Stat(program); err != nil {
				return nil, err
			}
			return exec.Command(program, "-listen", s.In, "-file", filepath.Join(s.Dir, "out")), nil
		},
	}
}
