package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/agent"
	"github.com/syslane/syslane/internal/config"
)

func newSetupCommand() *cobra.Command {
	var (
		o       agent.Options
		maxDisk string
		write   bool
		root    string
	)
	cmd := &cobra.Command{
		Use:   "setup rsyslog|syslog-ng|journald --relay HOST [--ca FILE [--cert FILE --key FILE]] [--write]",
		Short: "Make the configuration by which this host's syslog daemon sends to a relay",
		Long: `Print the configuration by which rsyslog, syslog-ng or systemd-journal-upload of a host
sends everything to a relay, with a queue on disk for the time that the relay is away.

With --write it is put where the program looks for it (/etc/rsyslog.d, /etc/syslog-ng/conf.d,
/etc/systemd/journal-upload.conf.d and the unit's .d), after the program itself has read it, where it is
installed. A file there that this command has not made is left alone; one that it has
made is kept beside the new one. Nothing is restarted.

  syslane setup rsyslog --relay relay.example.net
  sudo syslane setup rsyslog --relay relay.example.net --write`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: agent.Programs,
		RunE: func(cmd *cobra.Command, args []string) error {
			var size config.Size
			if err := size.UnmarshalText([]byte(maxDisk)); err != nil {
				return fmt.Errorf("--max-disk: %w", err)
			}
			o.MaxDisk = int64(size)
			files, err := agent.Files(args[0], o)
			if err != nil {
				return err
			}
			if !write {
				return printFiles(cmd.OutOrStdout(), files)
			}
			done, err := agent.Install(root, args[0], files, time.Now())
			if err != nil {
				return err
			}
			sayInstalled(cmd.OutOrStdout(), args[0], done)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Relay, "relay", "", "host name or address of the relay")
	f.IntVar(&o.Port, "port", 0, "its port (default: 2515 for RELP, 5515 for TCP, 6514 for TLS, 19532 for the journal)")
	f.StringVar(&o.Protocol, "protocol", "", "for rsyslog: relp (default) or tcp")
	f.StringVar(&o.CA, "ca", "", "speak TLS, and verify the relay by the certificates of this file (PEM)")
	f.StringVar(&o.Cert, "cert", "", "this host's certificate (PEM), where the relay asks for one")
	f.StringVar(&o.Key, "key", "", "the key of the certificate (PEM)")
	f.StringVar(&o.Source, "source", "", "for syslog-ng: the source whose messages are sent (default s_src)")
	f.StringVar(&maxDisk, "max-disk", "1GiB", "most that the queue on disk may hold")
	f.BoolVar(&write, "write", false, "install the configuration instead of printing it")
	f.StringVar(&root, "root", "/", "with --write: the folder to see as the root of the file system")
	return cmd
}

// printFiles prints the first file as it is, to be taken into one, and others as
// comments.
func printFiles(w io.Writer, files []agent.File) error {
	var b strings.Builder
	b.WriteString(files[0].Text)
	for _, f := range files[1:] {
		fmt.Fprintf(&b, "\n# And in %s:\n#\n", f.Path)
		for line := range strings.Lines(f.Text) {
			b.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sayInstalled(w io.Writer, program string, list []agent.Installed) {
	changed := false
	for _, done := range list {
		switch {
		case done.Unchanged:
			fmt.Fprintf(w, "%s is there already, and the same\n", done.File)
		case done.Backup != "":
			fmt.Fprintf(w, "wrote %s; what was there is %s\n", done.File, done.Backup)
		default:
			fmt.Fprintf(w, "wrote %s\n", done.File)
		}
		changed = changed || !done.Unchanged
	}
	if !changed {
		return
	}
	if checked := list[0].Checked; checked != "" {
		fmt.Fprintf(w, "%s has found it good\n", checked)
	} else if program != agent.Journald {
		fmt.Fprintf(w, "not checked: %s is not installed here\n", program)
	}
	if program == agent.Journald {
		fmt.Fprintln(w, "now: systemctl daemon-reload; systemctl enable systemd-journal-upload; systemctl restart systemd-journal-upload")
		return
	}
	fmt.Fprintf(w, "now: systemctl restart %s\n", program)
}
