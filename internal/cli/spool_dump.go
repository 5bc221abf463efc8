package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/spool"
)

func newSpoolDumpCommand() *cobra.Command {
	var dir string
	var raw bool
	var from uint64
	cmd := &cobra.Command{
		Use:   "dump --dir PATH [--from POSITION] [--raw]",
		Short: "Print all messages of a log in its order",
		Long: `Print all messages of a log in its order, one ECS document a line, or with --raw
their octets as received, each as its length, a space and the octets (RFC 6587
octet counting), so that nothing is lost. Works beside a running node.

Damaged blocks are passed over, and so are positions that no block has any more: the
error output says which, and the exit status is then 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := findLog(dir)
			if err != nil {
				return err
			}
			view, err := spool.OpenReadOnly(folder)
			if err != nil {
				return fmt.Errorf("open the log in %s: %w", folder, vfs.Denied(err))
			}
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
			err = dump(cmd.ErrOrStderr(), view, from, printEvent(out, raw))
			return errors.Join(err, out.Flush())
		},
	}
	logFlag(cmd, &dir)
	cmd.Flags().Uint64Var(&from, "from", 0, "first position to print")
	cmd.Flags().BoolVar(&raw, "raw", false, "print the octets as received, counted")
	return cmd
}

// printEvent returns what writes an event to w.
func printEvent(w io.Writer, raw bool) func(*syslog.Event) error {
	var line []byte
	documents := ecs.Writer{Options: ecs.Options{Original: true}}
	return func(e *syslog.Event) error {
		if raw {
			line = append(fmt.Appendf(line[:0], "%d ", len(e.Raw)), e.Raw...)
		} else {
			line = append(documents.Append(line[:0], e), '\n')
		}
		_, err := w.Write(line)
		return err
	}
}

// dump hands the events from a position on to found, and tells of damage on warn.
func dump(warn io.Writer, view *spool.View, from uint64, found func(*syslog.Event) error) error {
	segments, err := view.Segments()
	if err != nil {
		return err
	}
	slices.Reverse(segments)
	reader := view.NewBlockReader()
	defer reader.Close()
	var infos []spool.BlockInfo
	var names syslog.Interner
	var e syslog.Event
	damaged := 0
	var g gaps
	pass := func(first, next uint64) {
		if missing, to := g.pass(first, next); max(missing, from) < to {
			fmt.Fprintf(warn, "positions %d to %d are missing\n", max(missing, from), to-1)
			damaged++
		}
	}
	for _, s := range segments {
		if s.Next <= from {
			continue
		}
		pass(s.First, s.First)
		if infos, err = view.Blocks(infos[:0], s); errors.Is(err, fs.ErrNotExist) {
			pass(s.First, s.Next) // delivered and deleted meanwhile
			continue
		} else if err != nil {
			return err
		}
		for _, info := range infos {
			pass(info.First, info.First+uint64(info.Count))
			if info.First+uint64(info.Count) <= from {
				continue
			}
			b, err := reader.Read(s, info)
			if err != nil {
				fmt.Fprintln(warn, err)
				damaged++
				continue
			}
			position := b.First
			for run := b.Records; len(run) > 0; position++ {
				var record []byte
				if record, run = syslog.NextRecord(run); record == nil {
					break
				}
				if position < from {
					continue
				}
				if err := e.Decode(record, &names); err != nil {
					fmt.Fprintf(warn, "position %d: %v\n", position, err)
					damaged++
					continue
				}
				if err := found(&e); err != nil {
					return err
				}
			}
		}
	}
	if damaged > 0 {
		return exitStatus(1)
	}
	return nil
}
