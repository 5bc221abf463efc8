package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/etc"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/relay"
)

// role is one of the two commands that run until they are told to stop.
type role struct {
	name, short, long string
	defaults          []byte
	run               func(context.Context, *node.Plan) error
}

func newCollectorCommand() *cobra.Command {
	return role{
		name:  collector.Name,
		short: "Run a collector: take messages, keep and search them, write Elasticsearch",
		long: `Run a collector in the foreground until SIGTERM or Ctrl-C. SIGHUP loads the
configuration again, as "syslane reload" does.

Without a file it listens on loopback only: UDP and TCP 5514, RELP 2514, HTTP 8514.
That is what the shipped etc/collector.toml says.`,
		defaults: etc.Collector,
		run:      collector.Run,
	}.command()
}

func newRelayCommand() *cobra.Command {
	return role{
		name:  relay.Name,
		short: "Run a relay: take messages and forward them to a collector",
		long: `Run a relay in the foreground until SIGTERM or Ctrl-C. SIGHUP loads the
configuration again, as "syslane reload" does.

Without a file it listens on loopback only: UDP and TCP 5515, RELP 2515, HTTP 8515,
and forwards by RELP to 127.0.0.1:2514. That is what the shipped etc/relay.toml says.`,
		defaults: etc.Relay,
		run:      relay.Run,
	}.command()
}

func (r role) command() *cobra.Command {
	var file, state, profiles string
	cmd := &cobra.Command{
		Use:   r.name + " [--config FILE] [--state DIR]",
		Short: r.short,
		Long:  r.long,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profiles != "" {
				stop, err := servePprof(profiles)
				if err != nil {
					return err
				}
				defer stop()
			}
			f, err := r.load(file)
			if err != nil {
				return err
			}
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			options := node.Options{State: state, Version: version(), NewLogger: newLogger, Reloads: hangups}
			if file != "" {
				options.Read = func() (*config.File, error) { return config.Load(file) }
			}
			plan, err := node.Load(f, options)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			return r.run(ctx, plan)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file (TOML); the files of conf.d beside it are read too")
	cmd.Flags().StringVar(&state, "state", "", "folder that holds the log (default: state in the file, or the user's state folder)")
	cmd.Flags().StringVar(&profiles, "pprof", "", "loopback address to serve profiles of the program on, for \"go tool pprof\" (default: none)")
	return cmd
}

// load reads the named file, or what the role is shipped with.
func (r role) load(file string) (*config.File, error) {
	if file == "" {
		return config.Parse("built-in "+r.name+".toml", r.defaults)
	}
	return config.Load(file)
}
