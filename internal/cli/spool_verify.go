package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/spool"
)

func newSpoolVerifyCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "verify [--dir PATH]",
		Short: "Read every block of a log and check it",
		Long: `Read every block of a log and check its checksums and that no position is missing.
Nothing is changed, so this works beside a running relay or collector, whose newest
block may then be left out. The exit status is 0 where all is whole, 1 otherwise.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folders, unseen := logFolders(dir)
			var failed error
			for _, folder := range folders {
				if len(folders) > 1 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s:\n", folder)
				}
				failed = cmp.Or(failed, verify(cmd.OutOrStdout(), folder))
			}
			return cmp.Or(failed, unseen)
		},
	}
	usualLogFlag(cmd, &dir)
	return cmd
}

// logFlag adds --dir to a command that needs one log.
func logFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "a log folder, or a state folder that holds one")
	if err := cmd.MarkFlagRequired("dir"); err != nil {
		panic(err)
	}
}

// findings is what verify has to say.
type findings struct {
	segments, blocks int
	messages         uint64
	missing          uint64
	damagedBlocks    int
	octets           int64
}

func (f *findings) whole() bool { return f.missing == 0 && f.damagedBlocks == 0 }

// gaps finds the positions between the blocks of a log that none of them has.
type gaps struct{ next uint64 }

// pass goes on from first to next. What lies between the last next and first, from up to
// to, is missing; nothing is where they are equal.
func (g *gaps) pass(first, next uint64) (from, to uint64) {
	from, to = first, first
	if g.next != 0 && g.next < first {
		from = g.next
	}
	g.next = max(g.next, next)
	return from, to
}

func verify(w io.Writer, folder string) error {
	view, err := spool.OpenReadOnly(folder)
	if err != nil {
		return fmt.Errorf("open the log in %s: %w", folder, vfs.Denied(err))
	}
	segments, err := view.Segments()
	if err != nil {
		return err
	}
	slices.Reverse(segments)
	bar := progress(sizeOf(segments), "verifying")
	reader := view.NewBlockReader()
	defer reader.Close()
	var f findings
	var blocks []spool.BlockInfo
	var g gaps
	pass := func(first, next uint64) {
		if from, to := g.pass(first, next); from < to {
			f.missing += to - from
			fmt.Fprintf(w, "positions %d to %d are missing\n", from, to-1)
		}
	}
	for _, s := range segments {
		pass(s.First, s.First)
		if blocks, err = view.Blocks(blocks[:0], s); errors.Is(err, fs.ErrNotExist) {
			pass(s.First, s.Next) // delivered and deleted meanwhile
			continue
		} else if err != nil {
			return err
		}
		f.segments++
		f.octets += s.Size
		for _, b := range blocks {
			pass(b.First, b.First+uint64(b.Count))
			if _, err := reader.Read(s, b); err != nil {
				f.damagedBlocks++
				f.missing += uint64(b.Count)
				fmt.Fprintf(w, "%v\n", err)
			} else {
				f.blocks++
				f.messages += uint64(b.Count)
			}
			bar.Add64(b.Octets)
		}
	}
	bar.Finish()
	fmt.Fprintf(w, "%d segments, %s: %d whole blocks with %d messages", f.segments, config.Size(f.octets), f.blocks, f.messages)
	if f.whole() {
		fmt.Fprintln(w, "; nothing is damaged")
		return nil
	}
	fmt.Fprintf(w, "; %d damaged blocks, %d messages missing\n", f.damagedBlocks, f.missing)
	return exitStatus(1)
}

func sizeOf(segments []spool.Segment) (octets int64) {
	for _, s := range segments {
		octets += s.Size
	}
	return octets
}

// progress shows how far a long work is, to a person who waits at a terminal.
func progress(octets int64, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions64(octets,
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionShowBytes(true),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))),
	)
}

func newSpoolRepairCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "repair --dir PATH",
		Short: "Set aside what is damaged in a log, now instead of when it is met",
		Long: `Open a log as its relay or collector would, and read it from end to end: a torn end
is cut off, damaged parts are copied to .bad files and counted, damaged cursors go
back to their copy. A running node does the same by itself when it meets damage, so
this is for knowing the extent before it runs. The node must be stopped, and this run
as its user.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := openStopped(dir, callerOf(cmd))
			if err != nil {
				return err
			}
			err = repair(cmd.Context(), cmd.OutOrStdout(), log)
			return errors.Join(err, log.Close())
		},
	}
	logFlag(cmd, &dir)
	return cmd
}

// openStopped opens a log for changing it, which only works while no node does, and as
// the user whose log it is. What it holds is kept, whatever the retention of its node says.
func openStopped(dir string, c caller) (*spool.Log, error) {
	folder, err := findLog(dir)
	if err != nil {
		return nil, err
	}
	there, err := spool.IsLog(folder)
	if err != nil {
		return nil, fmt.Errorf("look for the log in %s: %w", folder, vfs.Denied(err))
	}
	if !there {
		return nil, fmt.Errorf("%s holds no log: name its folder with --dir PATH", folder)
	}
	if err := c.mayChange(folder); err != nil {
		return nil, err
	}
	log, err := spool.Open(spool.Config{Dir: folder, KeepDelivered: true, Recompress: spool.RecompressNever})
	if errors.Is(err, spool.ErrLocked) {
		return nil, fmt.Errorf("open the log in %s: %w: stop its relay or collector first", folder, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the log in %s: %w", folder, vfs.Denied(err))
	}
	return log, nil
}

func repair(ctx context.Context, w io.Writer, log *spool.Log) error {
	reader := log.NewReader(log.Tail())
	defer reader.Close()
	bar := progress(int64(log.Head()-log.Tail()), "reading")
	for reader.Position() < log.Head() {
		b, err := reader.Next(ctx)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		bar.Add64(int64(b.Missing) + int64(b.Count))
	}
	bar.Finish()
	s := log.Stats()
	fmt.Fprintf(w, "%d messages in %d segments; cut off at the end: %d octets; set aside: %d damaged parts with %d messages in %d octets; cursors restored: %d\n",
		s.Head-s.Tail-s.DamagedRecords, s.Segments, s.TornOctets, s.DamagedStretches, s.DamagedRecords, s.DamagedOctets, s.DamagedCursors)
	return nil
}
