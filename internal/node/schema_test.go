package node

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/rs/zerolog"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/syslane/syslane/etc"
	"github.com/syslane/syslane/internal/config"
)

var update = flag.Bool("update", false, "write etc/syslane.schema.json")

// decoded loads a document, wrong or not, so that its tables know their structs.
func decoded(t *testing.T, text string) (*config.File, error) {
	t.Helper()
	f, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	_, err = Load(f, Options{NewLogger: func(LoggingConfig) zerolog.Logger { return zerolog.Nop() }})
	return f, err
}

// eachKind is a configuration with one table of each kind and type, empty.
func eachKind() string {
	text := "[search.elasticsearch]\n[[transform]]\n[[route]]\n[[limit]]\n[[alert]]\n"
	for key, types := range map[string][]string{"input": kinds(inputKinds), "output": kinds(outputKinds), "notify": kinds(channelKinds)} {
		for _, name := range types {
			text += "[[" + key + "]]\ntype = \"" + name + "\"\n"
		}
	}
	return text
}

func TestTheSchemaIsThatOfTheCode(t *testing.T) {
	f, _ := decoded(t, eachKind())
	g := schemaWriter{docs: fieldDocs(t, ".", "../tlsconf", "../web", "../../outputs/elasticsearch")}
	s := g.object(f.Shape())
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "Configuration of a Syslane relay or collector"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("../../etc/syslane.schema.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(b.Bytes(), etc.Schema) {
		t.Error("etc/syslane.schema.json is not that of the code; go test ./internal/node -run Schema -update writes it")
	}
}

func schemaOfEditors(t *testing.T) func(text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(etc.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("syslane.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("syslane.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		t.Helper()
		var values map[string]any
		if _, err := toml.Decode(text, &values); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return s.Validate(instance)
	}
}

func TestTheSchemaTakesWhatIsShippedAndDocumented(t *testing.T) {
	validate := schemaOfEditors(t)
	examples := 0
	f := func(name, text string) {
		t.Helper()
		examples++
		if err := validate(text); err != nil {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
	}
	f("collector.toml", string(etc.Collector))
	f("relay.toml", string(etc.Relay))
	f("everything", everything)
	f("numbers", "[log]\nmax_size = 1000\nmax_age = 0\n[[input]]\ntype = \"udp\"\nlisten = \":514\"\nsockets = \"${SOCKETS}\"\n[[output]]\ntype = \"relp\"\ntargets = []\nplain = \"${PLAIN}\"\nmode = \"${MODE:-balance}\"")
	for _, text := range []string{"5s", "1d12h", "1.5h", "5 s", "0", "${AGE}"} {
		f(text, "[log]\nmax_age = \""+text+"\"")
	}
	for _, text := range []string{"4096", "64MiB", "1.5 gb", "1B", "${SIZE}"} {
		f(text, "[log]\nmax_size = \""+text+"\"")
	}
	manuals, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(manuals, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "```toml\n")[1:] {
			example, _, _ := strings.Cut(part, "\n```")
			f(name, example)
		}
	}
	if examples < 30 {
		t.Errorf("only %d examples", examples)
	}
}

func TestTheSchemaRefusesWhatTheCodeRefuses(t *testing.T) {
	validate := schemaOfEditors(t)
	for _, text := range []string{
		"inptu = 1",
		"input = {}",
		"state = 5",
		"[log]\nsynk = \"os\"",
		"[log]\nsync = \"always\"",
		"[log]\nmax_age = \"5 fortnights\"",
		"[log]\nmax_age = 5",
		"[log]\nmax_size = \"64M\"",
		"[log]\nmax_size = -1",
		"[logging]\nlevel = \"loud\"",
		"[http.tls]\ncert = \"a.pem\"",
		"[[input]]\nlisten = \"127.0.0.1:0\"",
		"[[input]]\ntype = \"upd\"\nlisten = \"127.0.0.1:0\"",
		"[[input]]\ntype = \"udp\"",
		"[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\nframing = \"auto\"",
		"[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\nsockets = \"2\"",
		"[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\nextract = [\"xml\"]",
		"[[input]]\ntype = \"unix\"\npath = \"/run/x\"\nstream = \"yes\"",
		"[[output]]\ntype = \"relp\"\ntargets = \"127.0.0.1:2515\"",
		"[[output]]\ntype = \"relp\"",
		"[[route]]\nto = [1]",
		"[[transform]]\nsample = {}",
		"[[limit]]\nby = [\"host\"]",
		"[[alert]]\nabsent = true",
		"[[notify]]\ntype = \"webhook\"",
		"[dedupe]\nfields = []",
	} {
		if _, err := decoded(t, text); err == nil {
			t.Errorf("the code takes\n%s", text)
		}
		if validate(text) == nil {
			t.Errorf("the schema takes\n%s", text)
		}
	}
}

// complete has each type with what it requires, so that nothing but a value is wrong.
const complete = everything + `
[http.tls]
cert_file = "DIR/cert.pem"
key_file = "DIR/key.pem"
[[input]]
type = "tls"
name = "tls"
listen = "127.0.0.1:6514"
tls = { cert_file = "DIR/cert.pem", key_file = "DIR/key.pem" }
[[notify]]
type = "email"
server = "mail.example.net:25"
from = "a@example.net"
to = ["b@example.net"]
[search.elasticsearch]
hosts = ["http://127.0.0.1:9200"]
`

func TestTheValuesThatTheSchemaListsAreThoseThatTheCodeTakes(t *testing.T) {
	t.Setenv("SYSLANE_TEST_TOKEN", "from the environment")
	t.Setenv("SYSLANE_TEST_PORT", "5514")
	text := strings.NewReplacer("file:TOKEN", "token", "DIR", certificateFiles(t, "localhost", time.Hour)).Replace(complete)
	f, err := decoded(t, text)
	if err != nil {
		t.Fatal(err)
	}
	var defaults strings.Builder
	if err := f.Show(&defaults, false); err != nil {
		t.Fatal(err)
	}
	if err := schemaOfEditors(t)(defaults.String()); err != nil {
		t.Errorf("the schema refuses what config show prints: %v\n%s", err, &defaults)
	}
	var all map[string]any
	if _, err := toml.Decode(text, &all); err != nil {
		t.Fatal(err)
	}
	with := func(at map[string]any, key string, value any) string {
		old, had := at[key]
		at[key] = value
		var b bytes.Buffer
		if err := toml.NewEncoder(&b).Encode(all); err != nil {
			t.Fatal(err)
		}
		if at[key] = old; !had {
			delete(at, key)
		}
		if _, err := decoded(t, b.String()); err != nil {
			return err.Error()
		}
		return ""
	}
	fields := 0
	var walk func(shape reflect.Value, at map[string]any)
	walk = func(shape reflect.Value, at map[string]any) {
		eachField(shape, func(sf reflect.StructField, key string, v reflect.Value) {
			if enum := sf.Tag.Get("enum"); enum != "" {
				fields++
				wrap := func(s string) any {
					if v.Kind() == reflect.Slice {
						return []string{s}
					}
					return s
				}
				odd := with(at, key, wrap("nonsense"))
				if !strings.Contains(odd, "nonsense") {
					t.Errorf("%s of %v: with nonsense it is said %q", key, at, odd)
				}
				for _, value := range strings.Split(enum, ",") {
					if with(at, key, wrap(value)) == strings.ReplaceAll(odd, "nonsense", value) {
						t.Errorf("%s = %q is refused", key, value)
					}
				}
			}
			switch below := at[key].(type) {
			case map[string]any:
				if table, ok := v.Interface().(config.Table); ok {
					walk(table.Shape(), below)
				} else if s := structIn(v); s.IsValid() {
					walk(s, below)
				}
			case []map[string]any:
				for i, item := range below {
					if table, ok := v.Index(i).Interface().(config.Table); ok {
						walk(table.Shape(), item)
					} else {
						walk(structIn(v.Index(i)), item)
					}
				}
			}
		})
	}
	walk(f.Shape(), maps.Clone(all))
	if fields < 25 {
		t.Errorf("only %d fields", fields)
	}
}
