package node

import (
	"fmt"
	"slices"

	"github.com/syslane/syslane/spool"
)

// unclaimed are the places in the log that no output of the configuration has: one that
// was removed, or renamed, has left them. For each the log keeps what it had not taken,
// and all that comes.
func (n *Node) unclaimed() []spool.CursorStatus {
	outputs := n.current().Outputs
	return slices.DeleteFunc(n.log.Cursors(), func(c spool.CursorStatus) bool {
		return slices.ContainsFunc(outputs, func(o PlannedOutput) bool { return o.Name == c.Name })
	})
}

// warnOfUnclaimed says for which outputs that are gone the log keeps messages.
func (n *Node) warnOfUnclaimed() {
	for _, c := range n.unclaimed() {
		n.logger.Warn().Str("output", c.Name).Uint64("messages", c.Lag).Str("command", n.dropCommand(c.Name)).
			Msg("the log keeps messages for an output that is not in the configuration, and all that comes, until it is full: name an output so again, or stop the service and run the command as its user")
	}
}

// dropCommand forgets a place in the log.
func (n *Node) dropCommand(output string) string {
	return fmt.Sprintf("syslane spool drop-cursor %s --dir %s", output, n.state)
}

// heldFor says for which outputs that are gone a log without room holds messages.
func (n *Node) heldFor() (text string) {
	for _, c := range n.unclaimed() {
		if c.Lag > 0 {
			text += fmt.Sprintf("; it holds %d messages for the output %q, which is not in the configuration: name an output so again, or stop the service and run as its user: %s", c.Lag, c.Name, n.dropCommand(c.Name))
		}
	}
	return text
}
