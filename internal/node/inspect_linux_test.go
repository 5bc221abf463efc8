package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

func TestWhatThisUserMayNotIsFound(t *testing.T) {
	base, err := os.MkdirTemp("/tmp", "inspect")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"state", "open", "logs"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(base, "secret.log")
	if err := os.WriteFile(secret, nil, 0); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state = %q\n[[input]]\ntype = \"file\"\ninclude = [%q]\n[[output]]\ntype = \"file\"\npath = \"%s/open/{host}.log\"\n[[input]]\ntype = \"unix\"\npath = \"%s/open/log\"",
		filepath.Join(base, "state"), secret, base, base)
	plan, err := load(t, text, "")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	proc.AsNobody(t, func() {
		for _, f := range plan.Inspect(t.Context(), Inspection{}) {
			fmt.Fprintln(&got, f)
		}
	})
	expect(t, got.String(),
		`^test.toml:1:9: state: the state folder .*/state cannot be written: .*permission denied; give it to the user`,
		`^test.toml:4:12: input.include: .*/secret.log cannot be read: permission denied; let the user`,
		`^test.toml:7:8: output.path: no file can be written below .*/open: .*permission denied`,
		`^test.toml:10:8: input.path: no socket can be made in .*/open: permission denied`)
}

func TestAPortWithoutTheRightToItIsFound(t *testing.T) {
	start, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := load(t, "[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:601\"", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var got []Finding
	i := &inspector{plan: plan}
	proc.AsNobody(t, func() { i.inspectAddresses() })
	got = i.findings
	if strings.TrimSpace(string(start)) == "0" {
		if len(got) != 0 {
			t.Errorf("any port may be bound here, and found is %v", got)
		}
		return
	}
	if len(got) != 1 || !strings.Contains(got[0].String(), "test.toml:3:10: input.listen: this user may not bind udp 127.0.0.1:601; ") {
		t.Errorf("found is %v", got)
	}
}

func TestFilesOfAnotherUserInTheStateFolderAreFound(t *testing.T) {
	if os.Geteuid() != 0 {
		peers.LeaveOut(t, "only root can give a file away")
	}
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "log"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(filepath.Join(state, "log"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	expect(t, inspect(t, "", state, Inspection{}), `warning: state: .*/log belongs to \w+ and the state folder to root; .*chown -R`)
}
