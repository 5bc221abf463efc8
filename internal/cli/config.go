package cli

import (
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/etc"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at a configuration",
	}
	cmd.AddCommand(newConfigShowCommand(), newConfigSchemaCommand())
	return cmd
}

func newConfigShowCommand() *cobra.Command {
	var origin bool
	cmd := &cobra.Command{
		Use:   "show [--origin] FILE",
		Short: "Print what a configuration comes to, with its defaults",
		Long: `Print what a configuration file comes to, with the files of conf.d beside it, the
environment, and the defaults, as one file. That loads again and means the same.
Defaults that hang on other keys, such as the timeouts of an output, are not in it.
Secrets are printed as the reference to a file, a variable or a credential that they
are. One that stands in the file itself is masked, as "(secret)", which must be filled
in before it loads; so are user and password in addresses, and path and query of the
URLs of [[notify]].

With --origin each line says where its value comes from: FILE:LINE, with the variables
that are put in, or default.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := config.Load(args[0])
			if err != nil {
				return err
			}
			f.LeaveCredentials() // they are shown by their names
			if _, err := node.Load(f, node.Options{Version: version(), NewLogger: newLogger}); err != nil {
				return err
			}
			return f.Show(cmd.OutOrStdout(), origin)
		},
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "say of each line where it comes from")
	return cmd
}

func newConfigSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of configurations, for editors",
		Long: `Print the JSON schema (draft 7) of the configuration of this version, for either role.
Editors that know it, such as those with Taplo or Even Better TOML, complete keys,
explain them and mark mistakes. A file names its schema in its first line:

  #:schema /usr/share/syslane/syslane.schema.json

An editor knows less than syslane check, which reads what the file refers to.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(etc.Schema)
			return err
		},
	}
}
