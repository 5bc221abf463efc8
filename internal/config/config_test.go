package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

var update = flag.Bool("update", false, "write the results that are found into testdata")

// document has a field of each sort, in the shape of a role's file.
type document struct {
	State   string  `toml:"state"`
	HTTP    httpd   `toml:"http"`
	Log     spool   `toml:"log"`
	Inputs  []Table `toml:"input"`
	Outputs []Table `toml:"output"`
}

type httpd struct {
	Listen string `toml:"listen"`
	Token  Secret `toml:"token"`
}

type spool struct {
	SegmentSize Size          `toml:"segment_size"`
	MaxAge      time.Duration `toml:"max_age"`
	Sync        string        `toml:"sync"`
	Keep        *bool         `toml:"keep"`
}

type common struct {
	Name string `toml:"name"`
}

type tcpInput struct {
	common
	Listen      string            `toml:"listen,required"`
	Connections uint16            `toml:"max_connections"`
	MaxMessage  Size              `toml:"max_message_size"`
	Idle        time.Duration     `toml:"idle_timeout"`
	Rate        float64           `toml:"rate"`
	Labels      map[string]string `toml:"labels"`
	TLS         *tlsSection       `toml:"tls"`
}

type tlsSection struct {
	Cert  string   `toml:"cert"`
	Peers []string `toml:"permitted_peers"`
	Level int8     `toml:"level"`
}

type relpOutput struct {
	common
	Targets []struct {
		Address string `toml:"address"`
		Weight  int    `toml:"weight"`
	} `toml:"targets"`
	Password Secret `toml:"password"`
}

// load does with a file what a role does, and returns what it found as text.
func load(path string) string {
	f, err := Load(path)
	if err != nil {
		return err.Error()
	}
	doc := document{State: "default", Log: spool{Sync: "commit"}}
	f.Decode(&doc)
	var out strings.Builder
	fmt.Fprintf(&out, "state=%s http=%+v segment_size=%s max_age=%s sync=%s\n", doc.State, doc.HTTP, doc.Log.SegmentSize, doc.Log.MaxAge, doc.Log.Sync)
	if doc.Log.Sync != "commit" && doc.Log.Sync != "os" {
		f.Errorf("log.sync", "is none of commit, os")
	}
	for _, t := range doc.Inputs {
		switch typ, _ := t.Type("tcp", "udp", "relp"); typ {
		case "tcp", "udp", "relp":
			in := tcpInput{Idle: time.Minute}
			t.Decode(&in)
			if strings.HasSuffix(in.Listen, ":70000") {
				t.Errorf("listen", "port 70000 is above 65535")
			}
			if in.Rate == 0 {
				t.Errorf("rate", "is needed, for this test")
			}
			fmt.Fprintf(&out, "%s name=%s listen=%s connections=%d max=%s idle=%s rate=%v labels=%v", typ, in.Name, in.Listen, in.Connections, in.MaxMessage, in.Idle, in.Rate, in.Labels)
			if in.TLS != nil {
				fmt.Fprintf(&out, " tls=%+v", *in.TLS)
			}
			out.WriteString("\n")
		}
	}
	for _, t := range doc.Outputs {
		if typ, _ := t.Type("elasticsearch", "relp", "file"); typ == "relp" {
			var o relpOutput
			t.Decode(&o)
			for i, target := range o.Targets {
				if target.Weight > 10 {
					t.Errorf(fmt.Sprintf("targets[%d].weight", i), "is above 10")
				}
			}
			fmt.Fprintf(&out, "relp name=%s targets=%+v password=%s (%d octets)\n", o.Name, o.Targets, o.Password, len(o.Password.Value()))
		}
	}
	if err := f.Check(); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// TestFilesInTestdata decodes each testdata/*.toml and testdata/*/main.toml and
// compares with the .want file beside it: the values, or the errors.
func TestFilesInTestdata(t *testing.T) {
	t.Setenv("SYSLANE_TEST_PORT", "1514")
	t.Setenv("SYSLANE_TEST_EMPTY", "")
	files, _ := filepath.Glob("testdata/*.toml")
	more, _ := filepath.Glob("testdata/*/main.toml")
	for _, path := range append(files, more...) {
		t.Run(path, func(t *testing.T) {
			got := strings.ReplaceAll(load(path), "testdata/", "") + "\n"
			wantPath := strings.TrimSuffix(path, ".toml") + ".want"
			if *update {
				if err := os.WriteFile(wantPath, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(wantPath)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestUTF16IsTold(t *testing.T) {
	for _, text := range []string{"\xff\xfeb = 1", "\xfe\xff\x00a\x00=\x001"} {
		if _, err := Parse("a.toml", []byte(text)); err == nil || err.Error() != "a.toml:1:1: the file is UTF-16; save it as UTF-8" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMissingFileSaysWhichAndWhatToDo(t *testing.T) {
	_, err := Load("testdata/none.toml")
	if err == nil || !strings.Contains(err.Error(), "testdata/none.toml") || !strings.Contains(err.Error(), "--config") {
		t.Fatal(err)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	s := NewSecret("hunter2")
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
		if out := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, struct{ S Secret }{s}); strings.Contains(out, "hunter2") || strings.Contains(out, "68756e") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
	if s.Value() != "hunter2" {
		t.Error(s.Value())
	}
}

func TestAddressesPrintWithoutWhatIsSecretOfThem(t *testing.T) {
	f := func(value fmt.Stringer, want string) {
		t.Helper()
		if got := value.String(); got != want {
			t.Errorf("printed is %s, want %s", got, want)
		}
		for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
			if out := fmt.Sprintf(verb, value) + fmt.Sprintf(verb, struct{ S any }{value}); strings.Contains(out, "hunter2") || strings.Contains(out, "68756e") {
				t.Errorf("%s prints %s", verb, out)
			}
		}
	}
	for _, plain := range []string{"", "es1", "es1:9200", "[::1]:9200", "https://es.example.net:9200/path"} {
		f(Address(plain), plain)
	}
	f(Address("http://u:hunter2@es1:9200/path"), "http://(secret)@es1:9200/path")
	f(Address("u:hunter2@es1:9200"), "(secret)@es1:9200")
	f(Address("http://u:hunter2/@hunter2@es1"), "http://(secret)@es1")
	f(Address("u:hunter2://hunter2@es1"), "(secret)@es1")
	for _, plain := range []string{"", "https://hooks.example.net", "https://hooks.example.net:8443/"} {
		f(Endpoint(plain), plain)
	}
	f(Endpoint("https://hooks.example.net:8443/services/hunter2"), "https://hooks.example.net:8443/(secret)")
	f(Endpoint("https://hooks.example.net?key=hunter2"), "https://hooks.example.net/(secret)")
	f(Endpoint("https://u:hunter2@hooks.example.net/"), "https://(secret)@hooks.example.net")
	f(Endpoint("hooks.example.net/hunter2"), "(secret)")
	f(Endpoint("https:/hooks.example.net/hunter2"), "(secret)")
}

func TestErrorsDoNotTellWhatIsSecretOfAddresses(t *testing.T) {
	t.Setenv("SYSLANE_TEST_HOOK", "hooks.example.net/hunter2")
	file, err := Parse("the.toml", []byte(`hosts = ["u:hunter2@es1:9200"]
[webhook]
url = "hooks.example.net/hunter2"
[other]
url = "${SYSLANE_TEST_HOOK}"
`))
	if err != nil {
		t.Fatal(err)
	}
	type hook struct {
		URL Endpoint `toml:"url"`
	}
	var c struct {
		Hosts   []Address `toml:"hosts"`
		Webhook hook      `toml:"webhook"`
		Other   hook      `toml:"other"`
	}
	if err := file.Decode(&c); err != nil {
		t.Fatal(err)
	}
	f := func(key, want string) {
		t.Helper()
		if err := file.Errorf(key, "is wrong"); err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f("hosts[0]", `the.toml:1:10: hosts = "(secret)@es1:9200": is wrong`)
	f("webhook.url", `the.toml:3:7: webhook.url = "(secret)": is wrong`)
	f("other.url", `the.toml:5:7: other.url = "${SYSLANE_TEST_HOOK}": is wrong`)
	if c.Other.URL != "hooks.example.net/hunter2" || c.Hosts[0] != "u:hunter2@es1:9200" {
		t.Error("they have lost what they are")
	}

	// What config show has printed must be filled in, not loaded.
	masked, err := Parse("masked.toml", []byte(`hosts = ["http://(secret)@es1:9200"]`))
	if err != nil {
		t.Fatal(err)
	}
	if err := masked.Decode(&c); err == nil || !strings.Contains(err.Error(), "masked.toml:1:10: hosts: (secret) is how a secret is shown") {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	f := func(in string, want Size, text string) {
		t.Helper()
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want || s.String() != text {
			t.Errorf("%q: %d %q %v; want %d %q", in, s, s, err, want, text)
		}
	}
	f("0", 0, "0B")
	f("4096", 4096, "4KiB")
	f("64MiB", 64<<20, "64MiB")
	f("64 mib", 64<<20, "64MiB")
	f("1GB", 1e9, "953.7MiB")
	f("1.5KiB", 1536, "1536B")
	f("9007199254740993", 9007199254740993, "8192.0TiB")
	bad := func(in, want string) {
		t.Helper()
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", in, err, want)
		}
	}
	bad("", "not a size")
	bad("-1", "not a size")
	bad("64M", "MiB (of 1024) or MB (of 1000)")
	bad("64 parsecs", "not a size")
	bad("1e30", "not a size")
	bad("99999999999999TB", "too large")
	bad("99999999.5TB", "too large")
}

func TestDurations(t *testing.T) {
	f := func(in string, want time.Duration) {
		t.Helper()
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q: %v %v; want %v", in, got, err, want)
		}
	}
	f("0", 0)
	f("5s", 5*time.Second)
	f("1.5h", 90*time.Minute)
	f("7d", 7*24*time.Hour)
	f("2w", 14*24*time.Hour)
	f("1d12h 30m", 36*time.Hour+30*time.Minute)
	f("250µs", 250*time.Microsecond)
	for _, in := range []string{"", "5", "s", "-5s", "5 years", "1h5", "1..5s", "999999w9"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q: taken as %v", in, got)
		}
	}
	if _, err := ParseDuration("99999999w"); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

func TestEditDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got := distance(a, b); got != want {
			t.Errorf("%q %q: %d, want %d", a, b, got, want)
		}
	}
	f("", "", 0)
	f("listen", "listen", 0)
	f("lisetn", "listen", 1)
	f("listn", "listen", 1)
	f("", "abc", 3)
	f("kitten", "sitting", 3)
}

// The decoder keeps one of the two values, and says nothing.
func TestAKeyThatADottedOneHasMadeATableIsNoValue(t *testing.T) {
	for doc, want := range map[string]string{
		"log.max_size = 1\nlog = 2":       "f:2:1: Key 'log' has already been made a table, in line 1.",
		"a = 1\n[x]\nb.c = 1\n\n b = [2]": "f:5:2: Key 'b' has already been made a table, in line 3.",
		"x = { b.c = 1, b = 2 }":          "f:1:16: Key 'b' has already been made a table, in line 1.",
	} {
		if _, err := Parse("f", []byte(doc)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", doc, err, want)
		}
	}
}

// placed tells whether every value has a place, and arrays as many as items.
func placed(v any, p *place) error {
	if p == nil {
		return fmt.Errorf("no place for %v", v)
	}
	switch v := v.(type) {
	case map[string]any:
		if len(p.table) != len(v) {
			return fmt.Errorf("%d places for the %d keys of %v", len(p.table), len(v), v)
		}
		for k, child := range v {
			if err := placed(child, p.table[k]); err != nil {
				return err
			}
		}
	case []map[string]any:
		if len(p.items) != len(v) {
			return fmt.Errorf("%d places for %v", len(p.items), v)
		}
		for i, child := range v {
			if err := placed(child, p.items[i]); err != nil {
				return err
			}
		}
	case []any:
		if len(p.items) != len(v) {
			return fmt.Errorf("%d places for %v", len(p.items), v)
		}
		for i, child := range v {
			if err := placed(child, p.items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestPlacesOfAwkwardDocuments(t *testing.T) {
	f := func(doc, path string, line, column int) {
		t.Helper()
		var values map[string]any
		if _, err := toml.Decode(doc, &values); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		places, again := scan(bytes.TrimPrefix([]byte(doc), []byte("\ufeff")))
		if again != nil {
			t.Errorf("%q: %v is no repeat", doc, again)
		}
		if err := placed(values, places); err != nil {
			t.Errorf("%q: %v", doc, err)
		}
		f, err := Parse("f", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if n := f.node.find(path); n.pos.Line != line || n.pos.Column != column {
			t.Errorf("%q: %s is at %v, want %d:%d", doc, path, n.pos, line, column)
		}
	}
	f("a = 1\nb = 2", "b", 2, 1)
	f("a = \"\"\"\nb = 3\n[x]\n\"\"\"\nb = 2", "b", 5, 1)
	f("a = '''\nb = '' 3\n'''''\nb = 2", "b", 4, 1)
	f(`a = """x\"""y"""""`+"\nb = 1", "b", 2, 1)
	f("a = \"x # = [\\\" \"  # b = 5\n  b = 2", "b", 2, 3)
	f("[[in]]\nx = 1\n[[in]]\n[in.tls]\ny = 2", "in[1].tls.y", 5, 1)
	f("[[in]]\nx = 1\n[[in]]\nx = 2", "in[1]", 3, 3)
	f("a . b = 1\na.\"c d\".e = 2", "a.c d.e", 2, 9)
	f("t = { a = 1, b = [ 1,\n { c = 2 }, # x\n] }", "t.b[1].c", 2, 4)
	f("t = {\n a = 1,\n b = 2,\n}", "t.b", 3, 2)
	f("t = { \"é\" = 1, b = 2 }", "t.b", 1, 16)
	f("d = 1979-05-27 07:32:00\nb = [[1,2],[\"[\", ']']]\n c=1", "c", 3, 2)
	f("\ufeffa = 1\r\nb = 2\r\n", "b", 2, 1)
	f("\"\\u0061\" = 1\n'b' = 2\n\"\\x63\"=3", "c", 3, 1)
	f("[a.b.c]\nx=1\n[a]\ny=2\n[a.b]\nz=3", "a.b.z", 6, 1)
	f("x = []\ny = {}\nz = [\n]\nb = 1", "b", 5, 1)
	f("i = [{a=1},{a=2}]", "i[1].a", 1, 13)
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.toml")
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a = \"\"\"x\"\"\"\"\"\nb = {c = [1, {d = 1}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		scan(data) // ends on anything
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if isUTF16(data) {
			return
		}
		var values map[string]any
		if _, err := toml.Decode(string(data), &values); err != nil {
			return
		}
		places, again := scan(data)
		file, err := Parse("f", data)
		if (err == nil) != (again == nil) {
			t.Fatalf("a repeat %v, but the error is %v", again, err)
		}
		if again != nil {
			return
		}
		if err := placed(values, places); err != nil {
			t.Fatal(err)
		}
		var doc document
		file.Decode(&doc)
		for _, in := range doc.Inputs {
			if _, err := in.Type("tcp"); err == nil {
				in.Decode(&tcpInput{})
			}
		}
		if err := file.Check(); err != nil && err.Error() == "" {
			t.Fatal("an error without text")
		}
	})
}
