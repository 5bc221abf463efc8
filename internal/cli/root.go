// Package cli is the command line of syslane: one file a command.
package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// exitStatus is an error that only sets the status of the process; what there
// was to say has been said.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Main runs the command line of the process and returns its exit status: 0, or 1
// for a failure, or what the command documents.
func Main() int {
	err := Root().Execute()
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintf(os.Stderr, "syslane: %v\n", err)
	return 1
}

// Root returns the whole command line, for what writes its manual pages and
// completions.
func Root() *cobra.Command {
	root := &cobra.Command{
		Use:   "syslane",
		Short: "A syslog relay and collector that loses nothing it has acknowledged",
		Long: `Syslane receives syslog (RFC 5424 and RFC 3164) over UDP, TCP, TLS and RELP, keeps
every message on disk before it acknowledges it, forwards from relays to a
collector, and writes Elasticsearch.

To try it on this machine, each in a terminal of its own:

  syslane collector
  syslane relay
  logger --rfc5424 --tcp --server 127.0.0.1 --port 5515 "hello from $(hostname)"
  syslane search hello`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newCollectorCommand(),
		newRelayCommand(),
		newReloadCommand(),
		newCheckCommand(),
		newConfigCommand(),
		newConvertCommand(),
		newSetupCommand(),
		newSearchCommand(),
		newTailCommand(),
		newStatsCommand(),
		newTopCommand(),
		newDoctorCommand(),
		newAlertCommand(),
		newParseCommand(),
		newImportCommand(),
		newCertCommand(),
		newSpoolCommand(),
		newDeadLetterCommand(),
		newElasticsearchCommand(),
		newVersionCommand(),
	)
	return root
}
