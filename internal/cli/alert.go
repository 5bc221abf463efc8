package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

func newAlertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "Show alerts, and try them on the past",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newAlertListCommand(), newAlertTestCommand())
	return cmd
}

func newAlertListCommand() *cobra.Command {
	var s source
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the alerts of a running collector and their state",
		Long: `Show the alerts of a running collector, through its HTTP API: what each watches, its
state, the groups that fire or soon may, and how the channels are that are told. The
exit status is 1 where an alert fires, 2 after an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			firing, err := listAlerts(cmd.Context(), &s, asJSON, cmd.OutOrStdout())
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "syslane: %v\n", err)
				return exitStatus(2)
			}
			if firing {
				return exitStatus(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one line of JSON")
	s.serverFlags(cmd.Flags())
	return cmd
}

func listAlerts(ctx context.Context, s *source, asJSON bool, out io.Writer) (firing bool, err error) {
	remote, err := s.remote()
	if err != nil {
		return false, err
	}
	body, err := remote.Alerts(ctx)
	if err != nil {
		return false, err
	}
	var status alert.Status
	if err := json.Unmarshal(body, &status); err != nil {
		return false, fmt.Errorf("read the alerts: %w", err)
	}
	firing = slices.ContainsFunc(status.Alerts, func(a alert.AlertStatus) bool { return a.Firing > 0 })
	if asJSON {
		_, err = out.Write(append(search.AppendJSON(nil, []byte(strings.TrimSpace(string(body)))), '\n'))
		return firing, err
	}
	return firing, printAlerts(out, &status)
}

func harmless(s string) string { return string(search.AppendHarmless(nil, s)) }

// printAlerts writes alerts for people.
func printAlerts(out io.Writer, s *alert.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range s.Alerts {
		a := &s.Alerts[i]
		fmt.Fprintf(w, "%s\t%s\t%s in %s\t%s\n", harmless(a.Name), a.State, harmless(a.Condition), harmless(a.Window), harmless(a.Query))
		for _, g := range a.Groups {
			if g.State == alert.Inactive {
				continue
			}
			since := ""
			if g.Since != nil {
				since = "since " + g.Since.Local().Format("2006-01-02 15:04:05")
			}
			fmt.Fprintf(w, "  %s\t%s\t%d\t%s\n", harmless(labels(g.Labels)), g.State, g.Value, since)
		}
	}
	if len(s.Alerts) == 0 {
		fmt.Fprintln(w, "no alerts are configured")
	}
	for _, c := range s.Channels {
		state := "well"
		if c.Error != "" {
			state = "FAILS: " + c.Error
		}
		fmt.Fprintf(w, "notify %s\t%s\t%d sent, %d waiting, %d dropped\t%s\n", harmless(c.Name), harmless(c.Type), c.Sent, c.Pending, c.Dropped, harmless(state))
	}
	if s.Lag > 0 {
		fmt.Fprintf(w, "%d messages are not evaluated yet\n", s.Lag)
	}
	return w.Flush()
}

// labels writes labels as host=web1, app=sshd.
func labels(m map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, name+"="+m[name])
	}
	return strings.Join(list, ", ")
}

type alertTest struct {
	dir, since string
	asJSON     bool
	only       []string
}

func newAlertTestCommand() *cobra.Command {
	var a alertTest
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Show what the alerts of a file would have told over the log's past",
		Long: `Evaluate the alerts of a configuration file over what the log holds, as if it came
in now, and print what would have been told and when. Nothing is sent and nothing is
changed; it works beside a running collector. The log is that of the file's state
folder, or of --dir; FILE may hold [[alert]] tables alone.

Time is that at which the messages were received. Blocks of the log whose index
shows that they hold nothing of interest are not read.`,
		Example: `  syslane alert test /etc/syslane/collector.toml --since 7d
  syslane alert test new-alerts.toml --dir /var/lib/syslane/collector --only ssh-failures`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.dir, "dir", "", "the log folder, or state folder that holds one (default: that of the file)")
	f.StringVar(&a.since, "since", "", `from that time on: "1d", "2026-01-31 08:00", or RFC 3339 (default: all that the log holds)`)
	f.BoolVar(&a.asJSON, "json", false, "print each notice as one line of JSON, as webhooks get it")
	f.StringSliceVar(&a.only, "only", nil, "names of alerts (default: all)")
	return cmd
}

func (a *alertTest) run(ctx context.Context, path string, out, errs io.Writer) error {
	f, err := config.Load(path)
	if err != nil {
		return err
	}
	f.LeaveCredentials() // nothing is sent
	plan, err := node.Load(f, node.Options{Version: version(), NewLogger: newLogger})
	if err != nil {
		return err
	}
	rules := plan.Alerts
	if len(a.only) > 0 {
		rules = nil
		for _, name := range a.only {
			i := slices.IndexFunc(plan.Alerts, func(r *alert.Rule) bool { return r.Name == name })
			if i < 0 {
				return fmt.Errorf("--only %s: %s has no such alert", name, path)
			}
			rules = append(rules, plan.Alerts[i])
		}
	}
	if len(rules) == 0 {
		return fmt.Errorf("%s has no [[alert]]", path)
	}
	var since time.Time
	if a.since != "" {
		if since, err = search.ParseTime(a.since, time.Now(), time.Local); err != nil {
			return fmt.Errorf("--since: %w", err)
		}
	}
	view, err := a.view(plan)
	if err != nil {
		return err
	}
	fired := 0
	done, err := alert.Replay(ctx, view, rules, since, func(c alert.Change) error {
		if c.State == alert.Firing && !c.Repeat {
			fired++
		}
		if c.State != alert.Firing && c.Rule.Silent {
			return nil
		}
		return a.print(out, &c)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(errs, "%d messages from %s to %s, of which queries found %d: alerts fired %d times; %d of %d blocks were passed over\n",
		done.Messages, done.From.Local().Format("2006-01-02 15:04:05"), done.To.Local().Format("2006-01-02 15:04:05"), done.Matched, fired, done.Skipped, done.Blocks)
	if done.Unreadable > 0 {
		return fmt.Errorf("%d damaged parts of the log could not be read", done.Unreadable)
	}
	return nil
}

// view opens the log that is read.
func (a *alertTest) view(plan *node.Plan) (*spool.View, error) {
	dir := a.dir
	if dir == "" {
		dir = plan.Config.State
	}
	if dir == "" {
		states := usualStatesOf(collector.Name)
		found, unseen := usualFolders(states, node.LogDir)
		if len(found) == 0 {
			return nil, cmp.Or(unseen, fmt.Errorf("no log in %s: name its folder with --dir", strings.Join(states, ", ")))
		}
		dir = found[0]
	}
	folder, err := findLog(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; name the folder of the log with --dir", err)
	}
	return spool.OpenReadOnly(folder)
}

func (a *alertTest) print(out io.Writer, c *alert.Change) error {
	n := c.Notice()
	if a.asJSON {
		line, err := json.Marshal(n)
		if err != nil {
			return err
		}
		_, err = out.Write(append(search.AppendJSON(nil, line), '\n'))
		return err
	}
	at := n.Started
	if n.Ended != nil {
		at = *n.Ended
	}
	status := string(n.Status)
	if n.Repeat {
		status = "still firing"
	}
	group := make(map[string]string)
	for i, f := range c.Rule.By {
		group[f.Name()] = c.Values[i]
	}
	_, err := fmt.Fprintf(out, "%s  %-12s  %s  %s  %s\n", at.Local().Format("2006-01-02 15:04:05"), status, harmless(n.Alert), harmless(labels(group)), harmless(n.Summary))
	return err
}
