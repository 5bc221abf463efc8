package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
)

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file without starting anything",
		Long: `Check a configuration file, and the files of conf.d beside it, as a relay or
collector would before it binds a port: keys, values, certificates. All that is
wrong is printed with file, line and column. The exit status is 0 where nothing is,
1 otherwise.`,
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
			fmt.Fprintf(cmd.OutOrStdout(), "%s: good: %d inputs, %d outputs\n", args[0], len(plan.Inputs), len(plan.Outputs))
			return nil
		},
	}
}
