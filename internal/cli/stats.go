package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"maps"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/search"
)

func newStatsCommand() *cobra.Command {
	var s source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show what a collector or relay takes, holds and delivers",
		Long: `Show how a running collector or relay is, through its HTTP API: what its inputs have
taken since its start, what its log holds, and how far its outputs are. The state of a
log folder without its process is shown by "syslane spool status".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			remote, err := s.remote()
			if err != nil {
				return err
			}
			body, err := remote.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(append(search.AppendJSON(nil, []byte(strings.TrimSpace(string(body)))), '\n'))
				return err
			}
			var status node.Status
			if err := json.Unmarshal(body, &status); err != nil {
				return fmt.Errorf("read the status: %w", err)
			}
			return printStatus(cmd.OutOrStdout(), &status)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one line of JSON")
	s.serverFlags(cmd.Flags())
	return cmd
}

// printStatus writes a status for people.
func printStatus(out io.Writer, s *node.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s %s\tup %s\n", harmless(s.Role), harmless(s.Version), s.Time.Sub(s.Started).Round(time.Second))
	fmt.Fprintf(w, "log\t%d messages\t%s\t%d segments", s.Log.Retained, config.Size(s.Log.Octets), s.Log.Segments)
	if s.Log.Oldest != nil {
		fmt.Fprintf(w, "\tsince %s", s.Log.Oldest.Local().Format("2006-01-02 15:04"))
	}
	switch {
	case s.Log.DiskLow:
		fmt.Fprint(w, "\tFULL: its disk has no room")
	case s.Log.Failing:
		fmt.Fprint(w, "\tFAILING: it takes no messages")
	case s.Log.Full:
		fmt.Fprint(w, "\tFULL")
	}
	fmt.Fprintln(w)
	for _, in := range s.Inputs {
		fmt.Fprintf(w, "input %s\t%d received\t%d stored", harmless(in.Name), in.Counts["received_messages"], in.Counts["stored_messages"])
		for _, name := range slices.Sorted(maps.Keys(in.Counts)) {
			short, ok := strings.CutSuffix(name, "_messages")
			if ok && short != "received" && short != "stored" && in.Counts[name] > 0 {
				fmt.Fprintf(w, "\t%d %s", in.Counts[name], harmless(strings.ReplaceAll(short, "_", " ")))
			}
		}
		fmt.Fprintln(w)
	}
	for _, o := range s.Outputs {
		state := "up"
		if !o.Up {
			state = "DOWN: " + o.Error
		}
		fmt.Fprintf(w, "output %s\t%d delivered\t%d to deliver\t%d in the dead letter\t%d dropped\t%s\n", harmless(o.Name), o.Delivered, o.Retained, o.DeadLettered, o.Dropped+o.Damaged, harmless(state))
	}
	for _, u := range s.Unclaimed {
		fmt.Fprintf(w, "output %s\tis not in the configuration\t%d kept for it\n", harmless(u.Name), u.Retained)
	}
	return w.Flush()
}
