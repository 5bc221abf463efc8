package cli

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

// caller is who gives a command that changes what a relay or collector has.
type caller struct {
	euid    int
	command string // without its arguments
}

func callerOf(cmd *cobra.Command) caller { return caller{os.Geteuid(), cmd.CommandPath()} }

// mayChange refuses a folder of another user to root: what root makes in it, the relay
// or collector that runs as that user could not read.
func (c caller) mayChange(folder string) error {
	if c.euid != 0 {
		return nil
	}
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	owner := strconv.FormatUint(uint64(stat.Uid), 10)
	// runuser takes names alone; setpriv comes with it.
	instead := fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups %s …, or in its container as that user", stat.Uid, stat.Gid, c.command)
	if u, err := user.LookupId(owner); err == nil {
		owner, instead = u.Username, fmt.Sprintf("runuser -u %s -- %s …", u.Username, c.command)
	}
	return fmt.Errorf("%s belongs to %s, and its relay or collector could not read what root writes there; nothing was changed; type instead: %s", folder, owner, instead)
}
