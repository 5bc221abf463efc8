package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

func newSpoolDropCursorCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "drop-cursor OUTPUT --dir PATH",
		Short: "Forget the place of an output that was removed",
		Long: `Forget the place of an output that was removed from the configuration. Until then
the log keeps for it all that it had not taken. What it had not taken is lost to it:
the number is printed. The node must be stopped, and this run as its user.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := openStopped(dir, callerOf(cmd))
			if err != nil {
				return err
			}
			err = dropCursor(cmd.OutOrStdout(), log, args[0])
			return errors.Join(err, log.Close())
		},
	}
	logFlag(cmd, &dir)
	return cmd
}

func dropCursor(w io.Writer, log *spool.Log, name string) error {
	status, err := cursorNamed(log, name)
	if err != nil {
		return err
	}
	if err := log.DropCursor(name); err != nil {
		return fmt.Errorf("drop the cursor of output %q: %w", name, err)
	}
	fmt.Fprintf(w, "output %q is forgotten; it had not taken %d messages\n", name, status.Lag)
	return nil
}

// cursorNamed finds the cursor of an output, or says which there are.
func cursorNamed(log *spool.Log, name string) (spool.CursorStatus, error) {
	var names []string
	for _, c := range log.Cursors() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return spool.CursorStatus{}, fmt.Errorf("the log knows no output %q; it knows %q", name, names)
}

func newSpoolRewindCommand() *cobra.Command {
	var dir, since string
	cmd := &cobra.Command{
		Use:   "rewind OUTPUT --since TIME --dir PATH",
		Short: "Deliver to an output again what was stored since a time",
		Long: `Set the place of an output back, so that it gets again what was stored since a
time: "15m" before now, RFC 3339, or "2006-01-02 15:04". Elasticsearch keeps one document
for an event all the same, and another Syslane takes an event once: this is for
destinations that lost what they had. The node must be stopped, and this run as its
user.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := search.ParseTime(since, time.Now(), time.Local)
			if err != nil {
				return fmt.Errorf("--since: %w", err)
			}
			log, err := openStopped(dir, callerOf(cmd))
			if err != nil {
				return err
			}
			err = rewind(cmd.OutOrStdout(), log, args[0], at)
			return errors.Join(err, log.Close())
		},
	}
	logFlag(cmd, &dir)
	cmd.Flags().StringVar(&since, "since", "", "the time from which on messages are delivered again")
	if err := cmd.MarkFlagRequired("since"); err != nil {
		panic(err)
	}
	return cmd
}

func rewind(w io.Writer, log *spool.Log, name string, at time.Time) error {
	status, err := cursorNamed(log, name)
	if err != nil {
		return err
	}
	to, err := positionAt(log, at)
	if err != nil {
		return err
	}
	if to >= status.Position {
		fmt.Fprintf(w, "output %q has not yet taken what was stored since then: nothing to set back\n", name)
		return nil
	}
	c, err := log.Cursor(name, spool.FromTail)
	if err != nil {
		return fmt.Errorf("open the cursor of output %q: %w", name, err)
	}
	if err := errors.Join(c.Rewind(to), c.Sync()); err != nil {
		return fmt.Errorf("set output %q back: %w", name, err)
	}
	fmt.Fprintf(w, "output %q gets again %d messages, from position %d on\n", name, status.Position+status.Ahead-to, to)
	return nil
}

// positionAt returns the position of the first block that was written at or
// after a time.
func positionAt(log *spool.Log, at time.Time) (uint64, error) {
	view := log.View()
	segments, err := view.Segments()
	if err != nil {
		return 0, err
	}
	slices.Reverse(segments)
	var blocks []spool.BlockInfo
	for i, s := range segments {
		if i+1 < len(segments) && segments[i+1].Created != 0 && segments[i+1].Created < at.UnixNano() {
			continue
		}
		if blocks, err = view.Blocks(blocks[:0], s); err != nil {
			return 0, err
		}
		for _, b := range blocks {
			if b.Appended >= at.UnixNano() {
				return max(b.First, log.Tail()), nil
			}
		}
	}
	return log.Head(), nil
}
