package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckSaysWhatIsWrongAndSetsTheStatus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	dir := t.TempDir()
	check := func(text string, wantStatus int, want string, args ...string) {
		t.Helper()
		file := filepath.Join(dir, "x.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := Root()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"check", "--state", filepath.Join(dir, "state"), file}, args...))
		var status exitStatus
		if err := cmd.Execute(); err != nil && !errors.As(err, &status) {
			t.Fatal(err)
		}
		if int(status) != wantStatus || !strings.Contains(out.String(), want) {
			t.Errorf("status %d, and it says\n%swant %d and %q", int(status), &out, wantStatus, want)
		}
	}
	taken := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q", l.Addr())
	check(taken, 1, "x.toml:3:10: input.listen: tcp "+l.Addr().String()+" is taken by ")
	check(taken, 1, "x.toml: 1 error\n")
	check(taken, 0, "x.toml: good: 1 inputs, 0 outputs\n", "--config-only")
	check("[log]\nmax_size = \"1024TiB\"", 0, "x.toml: good: 0 inputs, 0 outputs, 1 warning\n")
	down := fmt.Sprintf("[[output]]\ntype = \"relp\"\ntargets = [%q]", gone.Addr())
	check(down, 0, "x.toml: good: 0 inputs, 1 outputs\n")
	check(down, 1, "x.toml:3:12: output.targets: "+gone.Addr().String()+": ", "--online")
}

// What a collector has in conf.d is read by a relay of the same machine, which would not
// start with it.
func TestCheckSaysWhatARoleCannotDo(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"relay.toml": "", "collector.toml": "", "other.toml": "",
		"conf.d/alerts.toml": "[[alert]]\nname = \"silent\"\nabsent = \"10m\"\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want, file string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		cmd := Root()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"check", "--state", filepath.Join(dir, "state"), filepath.Join(dir, file)}, args...))
		err := cmd.Execute()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s %q: %v, want %q", file, args, err, want)
		}
	}
	const no = "alerts.toml:1:3: [[alert]]: alerts are for collectors: a relay keeps"
	check(no, "relay.toml")
	check(no, "relay.toml", "--config-only")
	check("", "collector.toml")
	check("", "other.toml")
	check(no, "other.toml", "--role", "relay")
	check("", "relay.toml", "--role", "collector")
	check(`--role "relais": want "relay" or "collector"`, "relay.toml", "--role", "relais")
}

// A credential is there for the service alone: what needs no secret does without, and what
// does says how it is got.
func TestCredentialsAreOfTheServiceAlone(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "x.toml")
	text := `state = "` + dir + `"
[[output]]
type = "elasticsearch"
hosts = ["https://127.0.0.1:1"]
username = "u"
password = "credential:es"
[[transform]]
redact = ["email"]
hash = { key = "credential:k" }
[[alert]]
absent = "10m"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := Root()
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		err := cmd.Execute()
		return out.String(), err
	}
	out, err := run("check", file)
	if err != nil || !strings.Contains(out, "x.toml:6:12: note: output.password: the credential es was not read: only the service has it\n") ||
		!strings.Contains(out, "x.toml:9:") || !strings.Contains(out, "x.toml: good: ") {
		t.Errorf("check says %v\n%s", err, out)
	}
	if out, err := run("config", "show", file); err != nil || !strings.Contains(out, `password = "credential:es"`) {
		t.Errorf("config show says %v\n%s", err, out)
	}
	if _, err := run("alert", "test", file, "--dir", dir); err != nil && strings.Contains(err.Error(), "credential") {
		t.Errorf("alert test says %v", err)
	}
	for _, args := range [][]string{{"check", "--online", file}, {"deadletter", "replay", "elasticsearch", "--config", file}} {
		_, err := run(args...)
		if err == nil || !strings.Contains(err.Error(), "x.toml:6:12: ") ||
			!strings.Contains(err.Error(), "CREDENTIALS_DIRECTORY=/run/credentials/syslane-collector.service") ||
			!strings.Contains(err.Error(), "--property=LoadCredential=es:PATH") || strings.Contains(err.Error(), "the unit passes") {
			t.Errorf("%q says %v", args, err)
		}
	}
}
