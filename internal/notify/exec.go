package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Exec runs a program for each batch of notices: without a shell, with the document of a
// webhook on its standard input, one at a time. Of the environment it gets PATH and
// LANG alone. Its exit status 0 means that it has done its work, whatever it has left
// running; with any other it is run again later, and what it has printed is told.
type Exec struct {
	// Command is the program and its arguments.
	Command []string
	// Timeout is how long it may run; then it is killed, with its children.
	Timeout time.Duration
	// Collector names this machine.
	Collector string
}

// maxPrinted bounds what is kept of the output of a program, in octets.
const maxPrinted = 1 << 10

// Validate tells what is wrong with the settings.
func (x *Exec) Validate() error {
	if len(x.Command) == 0 {
		return errors.New(`want a program and its arguments, as ["/usr/local/bin/page", "--now"]`)
	}
	if !strings.HasPrefix(x.Command[0], "/") {
		return errors.New("want the whole path of the program: it is run without a shell")
	}
	if info, err := os.Stat(x.Command[0]); err != nil {
		return err
	} else if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s cannot be run", x.Command[0])
	}
	return nil
}

// Send implements Sender.
func (x *Exec) Send(ctx context.Context, notices []Notice) error {
	body, err := document(x.Collector, notices)
	if err != nil {
		return &RefusedError{err}
	}
	timeout := x.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, x.Command[0], x.Command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=" + os.Getenv("LANG")}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(append(body, '\n'))
	printed := &head{}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("run %s: it did not end within %s", x.Command[0], timeout)
	case errors.Is(err, syscall.EPIPE): // it did not want its input, and ended well
		return nil
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and left a program that has its output
		return nil
	case err != nil:
		return fmt.Errorf("run %s: %w: %q", x.Command[0], err, strings.TrimSpace(string(printed.b)))
	}
	return nil
}

// head keeps the beginning of what is written.
type head struct{ b []byte }

func (h *head) Write(p []byte) (int, error) {
	h.b = append(h.b, p[:min(len(p), maxPrinted-len(h.b))]...)
	return len(p), nil
}
