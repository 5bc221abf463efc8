package cli

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/spool"
)

func newSpoolCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "spool",
		Short: "Look at a log on disk, and mend it",
	}
	cmd.AddCommand(newSpoolStatusCommand(), newSpoolVerifyCommand(), newSpoolDumpCommand(),
		newSpoolRepairCommand(), newSpoolDropCursorCommand(), newSpoolRewindCommand(), newSpoolPlanCommand())
	return cmd
}

func newSpoolStatusCommand() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [--dir PATH] [--json]",
		Short: "Show what a log holds and how far each output is",
		Long: `Show what a log holds and how far each output is. The log is only read, so this
works beside a running relay or collector, and on the folder of one that is down.
Beside a running one, outputs are shown as they were up to half a second ago.

For each output: routed = delivered + dead-lettered + dropped + skipped + damaged +
retained.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folders, unseen := logFolders(dir)
			for _, folder := range folders {
				if err := showStatus(cmd.OutOrStdout(), folder, asJSON); err != nil {
					return err
				}
			}
			return unseen
		},
	}
	usualLogFlag(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a log")
	return cmd
}

// usualLogFlag adds --dir to a command that looks at all logs it finds where none is named.
func usualLogFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "a log folder, or a state folder that holds one (default: those of collector and relay in the user's state folder and in /var/lib/syslane)")
}

// logFolders returns the log in dir, or where none is named those in the usual state
// folders. An error beside such tells of others.
func logFolders(dir string) ([]string, error) {
	if dir != "" {
		folder, err := findLog(dir)
		if err != nil {
			return nil, err
		}
		return []string{folder}, nil
	}
	found, err := usualFolders(usualStates(), node.LogDir)
	if len(found) == 0 && err == nil {
		return nil, fmt.Errorf("no log in %s: name its folder with --dir PATH", strings.Join(usualStates(), ", "))
	}
	return found, err
}

// usualFolders returns the folders that there are in state folders, and why one of the
// others may not be looked at.
func usualFolders(states []string, in func(state string) string) (found []string, unseen error) {
	for _, state := range states {
		there, err := isFolder(in(state))
		if there {
			found = append(found, in(state))
		}
		unseen = cmp.Or(unseen, err)
	}
	return found, unseen
}

// findLog returns the log folder that dir is or, as a state folder, holds.
func findLog(dir string) (string, error) {
	inner := node.LogDir(dir)
	if there, err := isFolder(inner); err != nil || there {
		return inner, err
	}
	if there, err := isFolder(dir); err != nil || !there {
		return "", cmp.Or(err, fmt.Errorf("%s is no folder: name that of a log, or a state folder that holds one", dir))
	}
	return dir, nil
}

// isFolder reports whether a path is that of a folder. An error says that it may not be
// looked at, which does not mean that nothing is there.
func isFolder(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil && info.IsDir(), vfs.Denied(err)
}

func showStatus(w io.Writer, folder string, asJSON bool) error {
	view, err := spool.OpenReadOnly(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no log: name its folder with --dir PATH", folder)
	}
	if err != nil {
		return fmt.Errorf("open the log in %s: %w", folder, vfs.Denied(err))
	}
	s, err := view.Status()
	if err != nil {
		return fmt.Errorf("read the log in %s: %w", folder, vfs.Denied(err))
	}
	if asJSON {
		return json.NewEncoder(w).Encode(newLogStatus(folder, s))
	}
	return newLogStatus(folder, s).print(w)
}

// logStatus is what spool status shows; its keys are those of --json.
type logStatus struct {
	Dir         string         `json:"dir"`
	ID          string         `json:"id"`
	Messages    uint64         `json:"messages"`
	Stored      uint64         `json:"stored"`
	Bytes       int64          `json:"bytes"`
	Segments    int            `json:"segments"`
	Oldest      *time.Time     `json:"oldest,omitempty"`
	Quarantined int            `json:"quarantined"`
	Outputs     []outputStatus `json:"outputs"`
}

// outputStatus is one output's place in the log.
type outputStatus struct {
	Name         string    `json:"name"`
	Routed       uint64    `json:"routed"`
	Delivered    uint64    `json:"delivered"`
	DeadLettered uint64    `json:"dead_lettered"`
	Dropped      uint64    `json:"dropped"`
	Skipped      uint64    `json:"skipped"`
	Damaged      uint64    `json:"damaged"`
	Retained     uint64    `json:"retained"`
	Moved        time.Time `json:"moved"`
}

func newLogStatus(folder string, s spool.Status) logStatus {
	out := logStatus{
		Dir: folder, ID: hex.EncodeToString(s.ID[:]), Messages: s.Head - s.Tail, Stored: s.Head - 1,
		Bytes: s.Bytes, Segments: s.Segments, Quarantined: s.Quarantined, Outputs: []outputStatus{},
	}
	if s.Oldest != 0 {
		oldest := time.Unix(0, s.Oldest).UTC()
		out.Oldest = &oldest
	}
	for _, c := range s.Cursors {
		out.Outputs = append(out.Outputs, outputStatus{
			Name: c.Name, Routed: c.Routed(), Delivered: c.Delivered,
			DeadLettered: c.DeadLettered, Dropped: c.Dropped, Skipped: c.Skipped, Damaged: c.Missing, Retained: c.Lag,
			Moved: time.Unix(0, c.Updated).UTC(),
		})
	}
	return out
}

func (s logStatus) print(w io.Writer) error {
	fmt.Fprintf(w, "log       %s\n", s.Dir)
	fmt.Fprintf(w, "holds     %d of %d messages stored, in %d segments, %s", s.Messages, s.Stored, s.Segments, config.Size(s.Bytes))
	if s.Oldest != nil {
		fmt.Fprintf(w, ", since %s", s.Oldest.Local().Format(time.DateTime))
	}
	fmt.Fprintln(w)
	if s.Quarantined > 0 {
		fmt.Fprintf(w, "damaged   %d parts were set aside as .bad files\n", s.Quarantined)
	}
	if len(s.Outputs) == 0 {
		fmt.Fprintln(w, "outputs   none")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nOUTPUT\tROUTED\tDELIVERED\tRETAINED\tDEAD-LETTERED\tDROPPED\tSKIPPED\tDAMAGED\tMOVED")
	for _, o := range s.Outputs {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", o.Name, o.Routed, o.Delivered, o.Retained,
			o.DeadLettered, o.Dropped, o.Skipped, o.Damaged, o.Moved.Local().Format(time.DateTime))
	}
	return t.Flush()
}
