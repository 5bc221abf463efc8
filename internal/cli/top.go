package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/relay"
	"github.com/syslane/syslane/search"
)

// noisyFields are what the noisiest can be counted by.
var noisyFields = []string{"host", "source", "app", "input"}

// noisyShown is how many of the noisiest are asked for, and noisyFor over what time.
const (
	noisyShown = 10
	noisyFor   = time.Minute
)

func newTopCommand() *cobra.Command {
	var (
		s        source
		interval time.Duration
		once     bool
		by       string
	)
	cmd := &cobra.Command{
		Use:   "top [--server URL] [--interval 2s] [--by host] [--once]",
		Short: "Watch what a collector or relay takes, holds and delivers",
		Long: `Watch a running collector or relay through its HTTP API: what its inputs take a second,
what its log holds, how far its outputs are and whether they catch up, and on a
collector who has sent most in the last minute. The key q ends it, and so does Ctrl-C.

With --once it measures for one interval, prints what it has found and ends.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return errors.New("--interval: at least 100ms")
			}
			if !slices.Contains(noisyFields, by) {
				return fmt.Errorf("--by %q is none of %s", by, strings.Join(noisyFields, ", "))
			}
			remote, err := s.remote()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			w := watcher{remote: remote, by: by, interval: interval}
			if once {
				return w.once(ctx, cmd.OutOrStdout())
			}
			return w.live(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	s.serverFlags(f)
	f.DurationVar(&interval, "interval", 2*time.Second, "time between two looks")
	f.StringVar(&by, "by", "host", "what the noisiest are counted by: "+strings.Join(noisyFields, ", "))
	f.BoolVar(&once, "once", false, "print one look and end")
	return cmd
}

// watcher looks at a node from time to time.
type watcher struct {
	remote   *search.Remote
	by       string
	interval time.Duration
}

// look asks the node how it is.
func (w *watcher) look(ctx context.Context) (*topLook, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := w.remote.Status(ctx)
	if err != nil {
		return nil, err
	}
	l := &topLook{server: w.remote.Server, by: w.by}
	if err := json.Unmarshal(body, &l.status); err != nil {
		return nil, fmt.Errorf("read the status: %w", err)
	}
	if l.status.Role == relay.Name { // it does not search
		return l, nil
	}
	query := fmt.Sprintf("* | top %d %s", noisyShown, w.by)
	_, err = w.remote.Search(ctx, search.Request{Query: query, Since: time.Now().Add(-noisyFor)}, func(doc []byte) error {
		cells, others, err := search.Cells(doc, []string{w.by, "count"})
		if err != nil || others || len(cells) < 2 {
			return err
		}
		n, err := strconv.ParseUint(cells[1], 10, 64)
		if err == nil {
			l.noisy = append(l.noisy, noisy{cells[0], n})
		}
		return nil
	})
	if err != nil {
		l.noisyErr = err
	}
	return l, nil
}

// noisy is one of those who send most.
type noisy struct {
	name  string
	count uint64
}

func (w *watcher) once(ctx context.Context, out io.Writer) error {
	before, err := w.look(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(w.interval):
	}
	now, err := w.look(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, strings.Join(now.lines(&before.status), "\n")+"\n")
	return err
}

// Control sequences of terminals (ECMA-48): another screen, its clearing and back.
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l"
	screenHome  = "\x1b[H"
	lineRest    = "\x1b[K\r\n"
	screenRest  = "\x1b[J"
	screenClose = "\x1b[?25h\x1b[?1049l"
)

func (w *watcher) live(ctx context.Context, in io.Reader, out io.Writer) error {
	terminal, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return errors.New("this is no terminal: add --once")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if keys, ok := in.(*os.File); ok && term.IsTerminal(int(keys.Fd())) {
		before, err := term.MakeRaw(int(keys.Fd()))
		if err != nil {
			return fmt.Errorf("read keys: %w", err)
		}
		defer term.Restore(int(keys.Fd()), before)
		go readKeys(keys, stop)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	io.WriteString(out, screenOpen)
	defer io.WriteString(out, screenClose)

	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	var now, before *topLook
	var problem error
	for {
		look, err := w.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if problem = err; err == nil {
			before, now = now, look
		}
		for waiting := true; waiting; {
			draw(terminal, out, now, before, problem)
			select {
			case <-ctx.Done():
				return nil
			case <-resized:
			case <-tick.C:
				waiting = false
			}
		}
	}
}

// readKeys ends the watching at q, Q, Ctrl-C or the end of the input.
func readKeys(keys io.Reader, stop func()) {
	defer stop()
	for buf := make([]byte, 1); ; {
		n, err := keys.Read(buf)
		if err != nil || n == 1 && strings.IndexByte("qQ\x03\x04", buf[0]) >= 0 {
			return
		}
	}
}

// draw writes a look over the one before, cut to the size of the terminal.
func draw(terminal *os.File, out io.Writer, now, before *topLook, problem error) {
	width, height, err := term.GetSize(int(terminal.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	var lines []string
	if problem != nil {
		lines = append(lines, harmless(problem.Error()), "")
	}
	if now != nil {
		var status *node.Status
		if before != nil {
			status = &before.status
		}
		lines = append(lines, now.lines(status)...)
	}
	io.WriteString(out, screen(lines, width, height))
}

// screen puts lines together for a terminal of a size.
func screen(lines []string, width, height int) string {
	var b strings.Builder
	b.WriteString(screenHome)
	for i, line := range lines {
		if i >= height-1 {
			break
		}
		b.WriteString(cut(line, width))
		b.WriteString(lineRest)
	}
	b.WriteString(screenRest)
	return b.String()
}
