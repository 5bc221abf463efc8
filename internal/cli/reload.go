package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/vfs"
)

// Exit statuses of "syslane reload".
const (
	reloadRefused = 1
	reloadPartial = 3
)

func newReloadCommand() *cobra.Command {
	var file, state string
	var asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "reload [--config FILE | --state DIR] [--json]",
		Short: "Have a running relay or collector load its configuration again",
		Long: `Have the running relay or collector load its configuration again, as "systemctl
reload" and SIGHUP do, and print what has come of it: what was applied, what waits for
a restart, or why all was refused. No connection and no message is lost by it; a
configuration that is not good changes nothing.

The process is found by its state folder: the one that FILE names, or DIR, or where
neither is given the one whose process runs, in the user's state folder or in
/var/lib/syslane.

Exit status: 0 all was applied, 1 refused or no process found, 3 applied but for what
waits for a restart or could not be done.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := runningState(file, state)
			if err != nil {
				return err
			}
			r, err := reload(folder, timeout)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			} else {
				err = printReload(cmd.OutOrStdout(), r)
			}
			switch {
			case err != nil:
				return err
			case r.Result == node.ReloadRefused:
				return exitStatus(reloadRefused)
			case r.Result == node.ReloadPartial:
				return exitStatus(reloadPartial)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file of the process, which names its state folder")
	cmd.Flags().StringVar(&state, "state", "", "state folder of the process")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait for the answer")
	cmd.MarkFlagsMutuallyExclusive("config", "state")
	return cmd
}

// runningState returns the state folder of the process that is meant.
func runningState(file, state string) (string, error) {
	if state != "" {
		return state, nil
	}
	if file != "" {
		f, err := config.Load(file)
		if err != nil {
			return "", err
		}
		if state = f.Text("state"); state != "" {
			return state, nil
		}
	}
	var found []string
	var unseen error // why one may run, and not be found
	for _, folder := range usualStates() {
		if _, err := node.FindRunning(folder); err == nil {
			found = append(found, folder)
		} else if errors.Is(err, fs.ErrPermission) {
			unseen = cmp.Or(unseen, vfs.Denied(err))
		}
	}
	switch len(found) {
	case 0:
		if unseen != nil {
			return "", unseen
		}
		return "", fmt.Errorf("no relay or collector runs in %s; name the folder of the one that is meant with --state DIR", strings.Join(usualStates(), ", "))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("several run, in %s; say which with --state DIR", strings.Join(found, " and "))
}

// reload asks the process of a state folder, and waits for its answer.
func reload(state string, timeout time.Duration) (*node.Reload, error) {
	p, err := node.FindRunning(state)
	if err != nil {
		return nil, vfs.Denied(err)
	}
	asked := time.Now()
	if err := syscall.Kill(p.PID, syscall.SIGHUP); err != nil {
		return nil, fmt.Errorf("ask process %d for a reload: %w; run this as the user of the service, or as root", p.PID, err)
	}
	for time.Since(asked) < timeout {
		time.Sleep(20 * time.Millisecond)
		p, err := node.FindRunning(state)
		if err != nil {
			return nil, err
		}
		// One that had begun before may have read an older file.
		if p.Reload != nil && !p.Reload.Began.Before(asked) {
			return p.Reload, nil
		}
	}
	return nil, fmt.Errorf("process %d has not answered within %s; see its log", p.PID, timeout)
}

func printReload(w io.Writer, r *node.Reload) error {
	var b strings.Builder
	switch {
	case r.Result == node.ReloadRefused:
		b.WriteString("refused; all goes on as before:\n")
	case len(r.Applied)+len(r.Restart)+len(r.Failed) == 0:
		b.WriteString("loaded: nothing has changed\n")
	default:
		b.WriteString("loaded\n")
	}
	for _, list := range []struct {
		word  string
		items []string
	}{{"", r.Errors}, {"applied: ", r.Applied}, {"needs a restart: ", r.Restart}, {"failed: ", r.Failed}} {
		for _, item := range list.items {
			fmt.Fprintf(&b, "  %s%s\n", list.word, harmless(item))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
