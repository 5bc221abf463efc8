package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/etc"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/spool"
)

func load(t *testing.T, text, state string) (*Plan, error) {
	t.Helper()
	f, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Load(f, Options{State: state, NewLogger: func(LoggingConfig) zerolog.Logger {
		return zerolog.New(zerolog.NewTestWriter(t))
	}})
}

func TestShippedFilesAreGood(t *testing.T) {
	for name, octets := range map[string][]byte{"collector.toml": etc.Collector, "relay.toml": etc.Relay} {
		if _, err := load(t, string(octets), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := load(t, text, "")
		if err == nil {
			t.Errorf("no mistake is found in\n%s", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("of\n%s\nit is said\n%v\nwithout %q", text, err, w)
			}
		}
	}
	f("[[input]]\ntype = \"udq\"\nlisten = \"127.0.0.1:1\"", `test.toml:2:8:`, `did you mean "udp"?`)
	f("[[input]]\ntype = \"tcp\"\nlistn = \"127.0.0.1:1\"", `test.toml:3:1:`, `did you mean "listen"?`, `key "listen" is missing`)
	f("[[input]]\ntype = \"tcp\"\nlisten = \"nowhere\"", `test.toml:3:10:`, `want host:port`)
	f("[[input]]\ntype = \"udp\"\nlisten = \":1\"\ntime_zone = \"Europe/Zurick\"", `test.toml:4:13:`, `no zone of the time zone database`)
	f("[[input]]\ntype = \"udp\"\nlisten = \":1\"\ncharset = \"latin-99\"", `test.toml:4:11:`, `unknown`)
	f("[[input]]\ntype = \"udp\"\nlisten = \":1\"\nextract = [\"xml\"]", `no kind of body`)
	f("[[input]]\ntype = \"tls\"\nlisten = \":1\"\n[input.tls]\ncert_file = \"/no/such\"\nkey_file = \"/no/such\"", `test.toml:`, `/no/such`)
	f("[[output]]\ntype = \"relp\"\nname = \"a\"\ntargets = [\"h:1\"]\n[[output]]\ntype = \"relp\"\nname = \"a\"\ntargets = [\"h:1\"]", `test.toml:7:8:`, `another output has this name`)
	f("[[output]]\ntype = \"relp\"\nname = \"../a\"\ntargets = [\"h:1\"]", `test.toml:3:8:`, `letters, digits`)
	f("[[output]]\ntype = \"file\"\npath = \"/var/log/{host}.log\"\nmax_size = \"1MiB\"\n[[output]]\ntype = \"file\"\npath = \"/var/log/{app}\"", `test.toml:7:8:`, `a rotated one of the output at test.toml:1:3`)
	f("[log]\nsync = \"sometimes\"", `test.toml:2:8:`, `want "commit"`)
	f("[log]\nfull = \"drop\"", `test.toml:2:8:`, `want "block", "drop-newest" or "drop-oldest"`)
	f("[search.elasticsearch]\nindex = \"logs-*\"", `say where to ask`)
	f("[search.elasticsearch]\noutput = \"es\"", `test.toml:2:10:`, `has this name`)
	f("[search.elasticsearch]\nhost = [\"http://127.0.0.1:1\"]", `did you mean "hosts"?`)
	f("[search.elasticsearch]\nhosts = [\"http://127.0.0.1:1\"]\nworkers = 3", `test.toml:3:1:`, `workers`)
	f("[http]\nlisten = \"0.0.0.0:8514\"", `test.toml:2:10:`, `set a token`)
	f("[log]\nsegment_size = -5", `test.toml:2:`)
	f("[log]\nmax_age = \"-5s\"", `test.toml:2:`)
	f("[[input]]\ntype = \"relp\"\nlisten = \":1\"\nlink_from = [\"10.0.0.0/8\", \"10.0.0.1\"]", `test.toml:4:28:`, `want a network`)
}

// What inputs and outputs refuse when they are made is found before a start.
func TestWhatAStartWouldRefuseIsToldWithItsPlace(t *testing.T) {
	f := func(text, place, want string) {
		t.Helper()
		if _, err := load(t, text, ""); err == nil || !strings.HasPrefix(err.Error(), place) || !strings.Contains(err.Error(), want) {
			t.Errorf("of\n%s\nit is said\n%v\nand not at %s %q", text, err, place, want)
		}
	}
	input := func(kind, keys string) string { return "[[input]]\ntype = \"" + kind + "\"\n" + keys }
	const listen = "listen = \":1\"\n"
	f(input("tcp", listen+`max_message_size = "1TiB"`), "test.toml:2:8: ", "max_message_size")
	f(input("tcp", listen+`keep_alive = "10h"`), "test.toml:2:8: ", "keep_alive")
	f(input("relp", listen+`max_message_size = "1TiB"`), "test.toml:2:8: ", "max_message_size")
	f(input("journal", listen+`max_fields = 1000000000`), "test.toml:2:8: ", "max_fields")
	f(input("udp", listen+`sockets = 1000`), "test.toml:2:8: ", "sockets")
	f(input("udp", listen+`receive_buffer = "2GiB"`), "test.toml:2:8: ", "receive_buffer")
	f(input("unix", `path = "/`+strings.Repeat("x", 200)+`"`), "test.toml:2:8: ", "path")
	f(input("file", "include = [\"/var/log/*\"]\nmax_files = -1"), "test.toml:2:8: ", "max_files")
	elastic := func(keys string) string { return "[[output]]\ntype = \"elasticsearch\"\n" + keys }
	f(elastic(`tls = { ca_file = "/no/such.pem" }`), "test.toml:3:7: ", "/no/such.pem")
	f(elastic(`tls = { permitted_peers = ["SHA1:00"] }`), "test.toml:3:7: ", "SHA256")
	f(elastic(`cloud_id = "name:*"`), "test.toml:3:12: ", "output.cloud_id")
}

// freeAddr returns a loopback address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNodeStoresServesAndStopsInOrder(t *testing.T) {
	state, in, http1 := t.TempDir(), freeAddr(t), freeAddr(t)
	plan, err := load(t, fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[http]\nlisten = %q", in, http1), state)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(Role{Name: "collector", KeepDelivered: true, Search: true}, plan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	conn, err := net.Dial("tcp", in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "<13>1 - host app - - - first\n<13>1 - host app - - - second\n"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	var found string
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(found, "second") && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get("http://" + http1 + "/api/v1/search?q=app:app")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FindRunning(state); err != nil {
			t.Fatalf("it answers, and is not found: %v", err)
		}
		octets, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		found = string(octets)
	}
	if !strings.Contains(found, `"message":"first"`) || !strings.Contains(found, `"message":"second"`) {
		t.Errorf("the search finds %q", found)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	log, err := spool.Open(spool.Config{Dir: LogDir(state)})
	if err != nil {
		t.Fatalf("the log was not closed: %v", err)
	}
	if got := log.Head() - log.Tail(); got != 2 {
		t.Errorf("the log holds %d messages, want 2", got)
	}
	log.Close()
}

func TestFailedOpenLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	state, free := t.TempDir(), freeAddr(t)
	plan, err := load(t, fmt.Sprintf("[[input]]\ntype = \"file\"\ninclude = [%q]\n[[input]]\ntype = \"tcp\"\nlisten = %q\n[[input]]\ntype = \"tcp\"\nlisten = %q",
		filepath.Join(state, "*.txt"), free, taken.Addr()), state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Role{Name: "relay"}, plan); err == nil || !strings.Contains(err.Error(), `input "tcp-2"`) {
		t.Fatalf("Open returned %v", err)
	}
	l, err := net.Listen("tcp", free)
	if err != nil {
		t.Errorf("the first address is still taken: %v", err)
	} else {
		l.Close()
	}
	if log, err := spool.Open(spool.Config{Dir: LogDir(state)}); err != nil {
		t.Errorf("the log is still open: %v", err)
	} else {
		log.Close()
	}
}

func TestInvalidConfigurationLeavesTheLogUntouched(t *testing.T) {
	state := t.TempDir()
	log, err := spool.Open(spool.Config{Dir: filepath.Join(state, "log")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), spool.Batch{Records: []byte{3, 'a', 'b', 'c'}, Count: 1}); err != nil {
		t.Fatal(err)
	}
	log.Close()
	before := tree(t, state)
	if _, err := load(t, "[[output]]\ntype = \"relp\"\n", state); err == nil {
		t.Fatal("the mistake is not found")
	}
	if after := tree(t, state); after != before {
		t.Errorf("the state folder was\n%s\nand is\n%s", before, after)
	}
}

// tree lists the files below dir with their octets.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		octets, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", path, octets)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestASearchAsksElasticsearchAsItsOutputDoesUnlessToldOtherwise(t *testing.T) {
	output := "[[output]]\ntype = \"elasticsearch\"\nname = \"es\"\nhosts = [\"http://127.0.0.1:1\"]\ndata_stream = { dataset = \"syslog\", namespace = \"prod\" }\n"
	f := func(text, want string) {
		t.Helper()
		p, err := load(t, text, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		got := "nothing"
		if p.older != nil {
			got = fmt.Sprint(p.older.output, " ", p.older.elastic.Index, " ", p.older.elastic.Timeout)
		}
		if got != want {
			t.Errorf("\n%s\nasks %s, want %s", text, got, want)
		}
	}
	f("", "nothing")
	f(output, "es logs-syslog-prod 20s")
	f(output+"[search.elasticsearch]\nenabled = false", "nothing")
	f(output+"[search.elasticsearch]\nindex = \"logs-*,old-*\"\ntimeout = \"5s\"\napi_key = \"x:y\"", "es logs-*,old-* 5s")
	f("[search.elasticsearch]\nhosts = [\"http://127.0.0.1:1\"]", " logs-syslog-default 20s")
	f("[[output]]\ntype = \"elasticsearch\"\nusername = \"u\"\npassword = \"p\"\n[search.elasticsearch]\napi_key = \"x:y\"", "elasticsearch logs-syslog-default 20s")
	f("[[output]]\ntype = \"elasticsearch\"\nmode = \"index\"\nindex = \"syslog-%Y.%m\"", "elasticsearch syslog-*.* 20s")
}
