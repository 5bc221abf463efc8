package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/pipeline"
)

func newCheckCommand() *cobra.Command {
	var x explain
	var wanted bool
	cmd := &cobra.Command{
		Use:   "check [--explain] FILE",
		Short: "Check a configuration file without starting anything",
		Long: `Check a configuration file, and the files of conf.d beside it, as a relay or
collector would before it binds a port: keys, values, certificates, conditions. All
that is wrong is printed with file, line and column. The exit status is 0 where
nothing is, 1 otherwise.

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
			plan, err := node.Load(f, node.Options{Version: version(), NewLogger: newLogger})
			if err != nil {
				return err
			}
			if wanted {
				return x.run(plan, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good: %d inputs, %d outputs\n", args[0], len(plan.Inputs), len(plan.Outputs))
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&wanted, "explain", false, "say what the rules do with each message of the standard input")
	flags.StringVar(&x.input, "input", "", "the input that the messages came by (default: the first)")
	flags.StringVar(&x.source, "source", "", "the address that they came from")
	flags.StringVar(&x.identity, "identity", "", "the name in the TLS certificate of their sender")
	return cmd
}

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
