package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
)

func newDeadLetterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter",
		Short: "Look at messages that an output has refused for good, and send them again",
	}
	cmd.AddCommand(newDeadLetterListCommand(), newDeadLetterShowCommand(), newDeadLetterReplayCommand())
	return cmd
}

// stateFlag adds --dir to a command that looks for dead letters.
func stateFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "state folder of a relay or collector (default: those in the user's state folder and in /var/lib/syslane)")
}

// deadLetterFolders returns where the dead letters of a state folder are, or where none
// is named those of the usual ones. An error beside such tells of others.
func deadLetterFolders(state string) ([]string, error) {
	if state == "" {
		return usualFolders(usualStates(), node.DeadLetterDir)
	}
	folder := node.DeadLetterDir(state)
	for _, part := range []string{folder, node.LogDir(state)} {
		if there, err := isFolder(part); err != nil {
			return nil, err
		} else if there {
			return []string{folder}, nil
		}
	}
	return nil, fmt.Errorf("%s is not the state folder of a relay or collector: it holds no log; name one, as %s", state, packagedState(collector.Name))
}

// deadLetters is what list shows of an output; its keys are those of --json.
type deadLetters struct {
	Dir      string    `json:"dir"`
	Output   string    `json:"output"`
	Messages int       `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"`
	Newest   time.Time `json:"newest,omitzero"`
	// Reason is the newest.
	Reason  string `json:"reason,omitempty"`
	Damaged int    `json:"damaged,omitempty"`
}

func newDeadLetterListCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [--dir PATH] [--json]",
		Short: "Say for each output how many messages it has refused, since when and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folders, unseen := deadLetterFolders(dir)
			var found []deadLetters
			for _, folder := range folders {
				names, err := deadletter.Outputs(vfs.OS, folder)
				if err != nil {
					return vfs.Denied(err)
				}
				for _, name := range names {
					d := deadLetters{Dir: folder, Output: name}
					if d.Damaged, err = deadletter.Each(vfs.OS, folder, name, func(e deadletter.Entry) error {
						if d.Messages++; d.Messages == 1 {
							d.Oldest = e.Time
						}
						d.Newest, d.Reason = e.Time, e.Reason
						return nil
					}); err != nil {
						return vfs.Denied(err)
					}
					if d.Messages+d.Damaged > 0 {
						found = append(found, d)
					}
				}
			}
			if unseen != nil && len(found) == 0 {
				return unseen // that there are none is not known
			}
			return cmp.Or(printDeadLetters(cmd.OutOrStdout(), found, asJSON), unseen)
		},
	}
	stateFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object an output")
	return cmd
}

func printDeadLetters(w io.Writer, found []deadLetters, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		for _, d := range found {
			if err := encoder.Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(w, "no messages are in the dead letter")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OUTPUT\tMESSAGES\tOLDEST\tNEWEST\tLAST REASON")
	for _, d := range found {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", d.Output, d.Messages, shownTime(d.Oldest), shownTime(d.Newest), shortened(d.Reason, 120))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, d := range found {
		if d.Damaged > 0 {
			fmt.Fprintf(w, "%s: %d lines of %s are damaged\n", d.Output, d.Damaged, d.Dir)
		}
	}
	return nil
}

func shownTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// shortened makes the server's words fit for a terminal, and for a line.
func shortened(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return string(appendVisible(nil, []byte(s)))
}

func newDeadLetterShowCommand() *cobra.Command {
	var dir string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show OUTPUT [--dir PATH] [--limit N] [--json]",
		Short: "Print the messages that an output has refused, with the reason of each",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := deadLetterOf(dir, "", args[0])
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			shown := 0
			_, err = deadletter.Each(vfs.OS, folder, args[0], func(e deadletter.Entry) error {
				if shown++; limit > 0 && shown > limit {
					return errEnough
				}
				return printEntry(w, &e, asJSON)
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			return vfs.Denied(err)
		},
	}
	stateFlag(cmd, &dir)
	cmd.Flags().IntVar(&limit, "limit", 0, "print so many, the oldest first (default: all)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print entries as they stand in the files, one JSON object a line")
	return cmd
}

var errEnough = errors.New("enough")

func printEntry(w io.Writer, e *deadletter.Entry, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(e)
	}
	line := fmt.Appendf(nil, "%s  position %d  status %d  %s\n  ", shownTime(e.Time), e.Position, e.Status, shortened(e.Reason, 2000))
	var event syslog.Event
	if err := event.Decode(e.Event, nil); err != nil {
		line = fmt.Appendf(line, "the event cannot be read: %v", err)
	} else {
		line = appendVisible(line, event.Raw)
	}
	_, err := w.Write(append(line, '\n'))
	return err
}

// deadLetterOf returns the one folder that holds a dead letter of an output. Where no
// state is named it is one of the role's, if that is known.
func deadLetterOf(state, role, output string) (string, error) {
	folders, unseen := deadLetterFolders(state)
	var found, options []string
	for _, folder := range folders {
		at := filepath.Dir(folder)
		if state == "" && role != "" && !slices.Contains(usualStatesOf(role), at) {
			continue
		}
		names, err := deadletter.Outputs(vfs.OS, folder)
		if err != nil {
			return "", vfs.Denied(err)
		}
		if slices.Contains(names, output) {
			found, options = append(found, folder), append(options, "--dir "+at)
		}
	}
	switch len(found) {
	case 0:
		return "", cmp.Or(unseen, fmt.Errorf("output %q has no dead letter; \"syslane deadletter list\" says which have; the state folder is named with --dir PATH", output))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("several state folders have a dead letter of an output %q; say which is meant with %s", output, strings.Join(options, " or "))
}

// roleOf returns the role that a configuration is for: that which alone may have what it
// has, or whose name the file has, as those that are shipped; "" where it does not say.
func roleOf(file string, plan *node.Plan) string {
	if len(plan.Alerts) > 0 {
		return collector.Name
	}
	return roleNamed(file)
}

type replayCommand struct {
	caller    caller
	file, dir string
	patience  time.Duration
}

func newDeadLetterReplayCommand() *cobra.Command {
	var c replayCommand
	cmd := &cobra.Command{
		Use:   "replay OUTPUT --config FILE [--dir PATH]",
		Short: "Send again what an output has refused, after what was wrong was mended",
		Long: `Hand the messages in the dead letter of an output to its destination again, and
remove those that it takes. What it refuses again stays, with its new reason. The
output is opened as the configuration says, beside the relay or collector, which may
be running or not. Its state folder is that of --dir, else that which the configuration
names, else a usual one of the role: a collector's where FILE has alerts or is called
collector.toml, a relay's where it is called relay.toml. Where several might be meant
none is taken. Run it as the user of the relay or collector: what root writes there that
could not read.

A message has the id it always had: one that was taken meanwhile makes no second
document. The exit status is 0 where every message was taken, 1 otherwise.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			c.caller = callerOf(cmd)
			return c.run(ctx, cmd.OutOrStdout(), args[0])
		},
	}
	stateFlag(cmd, &c.dir)
	cmd.Flags().StringVarP(&c.file, "config", "c", "", "configuration file of the relay or collector")
	cmd.Flags().DurationVar(&c.patience, "patience", time.Minute, "how long to try again where the destination takes nothing")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err)
	}
	return cmd
}

func (c *replayCommand) run(ctx context.Context, w io.Writer, name string) error {
	f, err := config.Load(c.file)
	if err != nil {
		return err
	}
	plan, err := node.Load(f, node.Options{Version: version(), NewLogger: newLogger, Beside: true})
	if err != nil {
		return err
	}
	at := slices.IndexFunc(plan.Outputs, func(o node.PlannedOutput) bool { return o.Name == name })
	if at < 0 {
		return fmt.Errorf("%s has no output %q: its outputs are %s", c.file, name, plan.OutputNames())
	}
	state := c.dir
	if state == "" {
		state = plan.Config.State
	}
	folder, err := deadLetterOf(state, roleOf(c.file, plan), name)
	if err != nil {
		return err
	}
	if err := c.caller.mayChange(folder); err != nil {
		return err
	}
	out, err := plan.Outputs[at].Open()
	if err != nil {
		return err
	}
	defer out.Close()
	r := &replaying{output: out, patience: c.patience, stream: fmt.Sprintf("deadletter/%x", time.Now().UnixNano()), next: 1}
	sum, err := deadletter.Replay(vfs.OS, folder, name, func(e []deadletter.Entry) ([]deadletter.Entry, error) { return r.send(ctx, e) })
	fmt.Fprintf(w, "%s: %d messages taken, %d refused again\n", name, sum.Taken, sum.Refused)
	if sum.Damaged > 0 {
		fmt.Fprintf(w, "%d lines are damaged: they are in the .bad files of %s\n", sum.Damaged, filepath.Clean(folder))
	}
	if err == nil && sum.Refused+sum.Damaged > 0 {
		return exitStatus(1)
	}
	return err
}

// replaying hands entries to an output.
type replaying struct {
	output   outputs.Output
	patience time.Duration
	stream   string
	next     uint64
}

// send returns the entries that were refused again.
func (r *replaying) send(ctx context.Context, entries []deadletter.Entry) (refused []deadletter.Entry, err error) {
	b := &outputs.Batch{Stream: r.stream, First: r.next, Next: r.next + uint64(len(entries)), Count: len(entries)}
	for i := range entries {
		b.Events = syslog.AppendEncoded(b.Events, entries[i].Event)
	}
	start := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := r.output.Write(ctx, b)
		var rejected *outputs.Rejected
		switch {
		case errors.As(err, &rejected):
			for _, item := range rejected.Items {
				e := entries[item.Index]
				e.Time, e.Status, e.Reason = time.Now(), item.Status, item.Reason
				refused = append(refused, e)
			}
			r.next = b.Next
			return refused, nil
		case err == nil:
			r.next = b.Next
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case time.Since(start) > r.patience:
			return nil, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}
