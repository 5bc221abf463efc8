package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// A relay that comes back with a mistake in its configuration ends with the place of
// the mistake. It has bound no port and changed no octet of its state, and once it is
// mended what had waited is still there.
func TestAMistakeInTheConfigurationEndsTheProgramBeforeItTouchesAnything(t *testing.T) {
	listen, server := proc.FreeAddr(t), proc.FreeAddr(t)
	good := fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "relp"
targets = [%q]
`, listen, server)
	relay := syslane.Start(t, "relay", good)
	const waiting = 1000
	syslane.Send(t, listen, numbered.New(waiting).Lines())
	relay.WaitFor(t, arrival, waiting, "syslane_log_stored_messages_total")
	relay.Shutdown(t)
	before := octetsBelow(t, relay.State)

	// Whoever binds before reading all finds the port taken, and says so.
	taken, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	run := func(want string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, syslane.Binary(t), args...).CombinedOutput()
		said := string(out)
		if err == nil || ctx.Err() != nil {
			t.Errorf("%v ended with %v: %s", args, err, said)
		}
		if !strings.Contains(said, want) || strings.Contains(said, "address already in use") || strings.Contains(said, "panic") {
			t.Errorf("it does not say %q, but\n%s", want, said)
		}
		if after := octetsBelow(t, relay.State); after != before {
			t.Errorf("after %q the state folder was\n%s\nand is\n%s", want, before, after)
		}
	}
	config := relay.Config()
	f := func(text, want string) {
		t.Helper()
		relay.Reconfigure(t, text)
		run(want, "relay", "--config", config)
	}
	f(good+"[log]\nmax_sise = \"1GiB\"\n", `did you mean "max_size"?`)
	f(good+"[lag]\nmax_size = \"1GiB\"\n", `did you mean "log"?`)
	f(strings.Replace(good, "relp", "rlep", 1), `did you mean "relp"?`)
	f(good+"[log]\nmax_size = \"1 parsec\"\n", "relay.toml:10:12")
	f(good+"[log]\nmax_size = \"1KiB\"\n", "relay.toml:10:12: log.max_size = \"1KiB\": the least is 16KiB")
	f(good+"[log]\nsync_interval = \"-1s\"\n", "relay.toml:10:17")
	f(good+"[log\n", "relay.toml:9:")
	f(good+"[log]\nfull = \"drop\"\n", `want "block"`)
	f(good+"[[input]]\ntype = \"tcp\"\nlisten = \"nowhere\"\n", "want host:port")
	f(good+"[[route]]\nmatch = 'severty <= err'\n", "relay.toml:10:10")
	f(strings.Replace(good, "targets", "# targets", 1), "targets")
	f(good+"# \xff\n", "relay.toml")
	relay.Reconfigure(t, good)
	run("none.toml", "relay", "--config", filepath.Join(t.TempDir(), "none.toml"))
	parts := filepath.Join(filepath.Dir(config), "conf.d")
	if err := os.Mkdir(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(parts, "10-part.toml")
	if err := os.Symlink(filepath.Join(parts, "gone"), part); err != nil {
		t.Fatal(err)
	}
	run("10-part.toml", "relay", "--config", config)
	os.Remove(part)
	if err := os.WriteFile(part, []byte("[log]\nmax_sise = \"1GiB\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	run("10-part.toml:2:1", "relay", "--config", config)
	os.RemoveAll(parts)

	taken.Close()
	relay.Restart(t)
	relay.WaitFor(t, arrival, waiting, "syslane_output_retained_messages")
	relay.Shutdown(t)
}

// octetsBelow lists the files below a folder with their octets and times.
func octetsBelow(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		octets, err := os.ReadFile(path)
		info, serr := d.Info()
		if err != nil || serr != nil {
			return fmt.Errorf("%v, %v", err, serr)
		}
		fmt.Fprintf(&b, "%s %v %x\n", path, info.ModTime(), octets)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
