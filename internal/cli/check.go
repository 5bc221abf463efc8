package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/relay"
)

func newCheckCommand() *cobra.Command {
	var c check
	var x explain
	var wanted bool
	cmd := &cobra.Command{
		Use:   "check [--role ROLE] [--online | --config-only | --explain] FILE",
		Short: "Check a configuration file, and whether this machine is fit for it",
		Long: `Check a configuration file, and the files of conf.d beside it, as a relay or
collector would before it starts: keys, values, certificates and conditions; then what
it would meet on this machine, as this user: certificates that have expired or will
within 30 days, addresses that are not this machine's, are taken, or may not be bound,
folders and files that may not be read or written, and disks that are too small.
Addresses are bound for a moment, nothing is written.

What is found is printed one a line: file, line and column, the key, what is wrong,
and what to do. The exit status is 0 where nothing is wrong, also with warnings and
notes, 1 otherwise. An address that is held by the Syslane that runs in the same state
folder is only noted.

With --online the servers that outputs and [[notify]] send to are asked as well, all at
once and for five seconds at most: names, connections, TLS, whether RELP answers and
grants the link, what Elasticsearch is and what the credentials allow there. Nothing is
sent to be kept.

What one role cannot do, as the alerts of a relay, is found in a file that is named
relay.toml or collector.toml, and with --role.

With --config-only this machine is not looked at: for a configuration that is for
another.

With --explain, messages are read from the standard input, one a line, and for each
it is said which rules take it, why, what they change, and where it goes. Nothing is
sent. The messages count as received by the first [[input]], or the one that --input
names, from the address in --source and the TLS client in --identity.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := config.Load(args[0])
			if err != nil {
				return err
			}
			if !c.online && !wanted { // no secret is used
				f.LeaveCredentials()
			}
			newLogger := newLogger
			if !wanted {
				// What it would say in its own log is among the findings.
				newLogger = func(node.LoggingConfig) zerolog.Logger { return zerolog.Nop() }
			}
			plan, err := node.Load(f, node.Options{State: c.state, Version: version(), NewLogger: newLogger})
			if err != nil {
				return err
			}
			if err := checkRole(plan, c.role, args[0]); err != nil {
				return err
			}
			if wanted {
				return x.run(plan, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return c.run(cmd.Context(), plan, f, args[0], cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.role, "role", "", "what the file is for, \"relay\" or \"collector\" (default: what a file of the name relay.toml or collector.toml is for)")
	flags.StringVar(&c.state, "state", "", "state folder, where the relay or collector is given one with --state")
	flags.BoolVar(&c.online, "online", false, "ask the servers that outputs and [[notify]] send to, too")
	flags.BoolVar(&c.configOnly, "config-only", false, "check the files alone, not this machine")
	cmd.MarkFlagsMutuallyExclusive("online", "config-only")
	flags.BoolVar(&wanted, "explain", false, "say what the rules do with each message of the standard input")
	flags.StringVar(&x.input, "input", "", "the input that the messages came by (default: the first)")
	flags.StringVar(&x.source, "source", "", "the address that they came from")
	flags.StringVar(&x.identity, "identity", "", "the name in the TLS certificate of their sender")
	return cmd
}

// check is what is looked at beside the file.
type check struct {
	role, state        string
	configOnly, online bool
}

// checkRole refuses what a start in a role would refuse; "" is that which the file is
// named after, if it is.
func checkRole(plan *node.Plan, role, file string) error {
	switch cmp.Or(role, roleNamed(file)) {
	case relay.Name:
		return plan.CheckFor(relay.Role)
	case collector.Name:
		return plan.CheckFor(collector.Role)
	}
	if role != "" {
		return fmt.Errorf("--role %q: want %q or %q", role, relay.Name, collector.Name)
	}
	return nil
}

// roleNamed returns the role whose name the file of a configuration has, as those that
// are shipped; "" where it has none.
func roleNamed(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), ".toml")
	if name == relay.Name || name == collector.Name {
		return name
	}
	return ""
}

func (c *check) run(ctx context.Context, plan *node.Plan, f *config.File, file string, out io.Writer) error {
	var findings []node.Finding
	for _, l := range f.Left() {
		findings = append(findings, node.Finding{Pos: l.Pos, Key: l.Key, Severity: node.Note,
			Text: fmt.Sprintf("the credential %s was not read: only the service has it", l.Name)})
	}
	if !c.configOnly {
		findings = append(findings, plan.Inspect(ctx, node.Inspection{States: usualStates(), Online: c.online})...)
	}
	var counts [node.Failure + 1]int
	for _, f := range findings {
		counts[f.Severity]++
		fmt.Fprintln(out, f)
	}
	if n := counts[node.Failure]; n > 0 {
		fmt.Fprintf(out, "%s: %s\n", file, number(n, "error"))
		return exitStatus(1)
	}
	warnings := ""
	if n := counts[node.Warning]; n > 0 {
		warnings = ", " + number(n, "warning")
	}
	fmt.Fprintf(out, "%s: good: %d inputs, %d outputs%s\n", file, len(plan.Inputs), len(plan.Outputs), warnings)
	return nil
}

func number(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// usualStates are the state folders where none is named: those of this user, and those
// of the packages.
func usualStates() (list []string) {
	for _, role := range []string{collector.Name, relay.Name} {
		list = append(list, usualStatesOf(role)...)
	}
	return list
}

// usualStatesOf are the usual state folders of one role.
func usualStatesOf(role string) (list []string) {
	packaged := packagedState(role)
	if state, err := node.DefaultState(role); err == nil && state != packaged {
		list = append(list, state)
	}
	return append(list, packaged)
}

// packagedState is where the unit of the packages has the state of a role.
func packagedState(role string) string { return filepath.Join("/var/lib/syslane", role) }

// explain is what --explain was asked for.
type explain struct{ input, source, identity string }

func (x *explain) run(plan *node.Plan, in io.Reader, out io.Writer) error {
	origin := inputs.Origin{Identity: x.identity}
	if x.source != "" {
		addr, err := netip.ParseAddr(x.source)
		if err != nil {
			return fmt.Errorf("--source %q is no address, as 192.0.2.7", x.source)
		}
		origin.Source = netip.AddrPortFrom(addr, 0)
	}
	explainer, err := plan.Explainer(x.input)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(in, 64<<10)
	var line, shown []byte
	for n := 1; ; n++ {
		line, _, err = readLine(lines, line[:0])
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		raw := bytes.TrimSuffix(line, []byte("\r"))
		shown = appendVisible(fmt.Appendf(shown[:0], "line %d: ", n), raw)
		shown = appendExplanation(append(shown, '\n'), explainer.Explain(raw, origin), plan)
		if _, err := out.Write(append(shown, '\n')); err != nil {
			return err
		}
	}
}

// appendExplanation appends what becomes of a message, a reason a line.
func appendExplanation(dst []byte, e pipeline.Explanation, plan *node.Plan) []byte {
	for _, reason := range e.Reasons {
		dst = append(appendVisible(append(dst, "  "...), []byte(reason)), '\n')
	}
	to := "every output (" + plan.OutputNames() + ")"
	switch names := e.Event.Route.Outputs(); {
	case !e.Stored:
		to = "nowhere"
	case names != nil && len(names) == 0:
		to = "the log alone"
	case names != nil:
		to = strings.Join(names, ", ")
	}
	return fmt.Appendf(dst, "  goes to %s\n", to)
}
