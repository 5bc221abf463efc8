package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// runParse runs the command on input and returns what it printed.
func runParse(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := newParseCommand()
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(input))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	if err := cmd.Execute(); err != nil {
		t.Fatalf("parse %v: %v", args, err)
	}
	return out.String()
}

func TestParsePrintsOneObjectALine(t *testing.T) {
	f := func(line, want string, args ...string) {
		t.Helper()
		got := runParse(t, line+"\n", append(args, "--json")...)
		if got != want+"\n" {
			t.Errorf("%s\ngot  %swant %s", line, got, want)
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(got), &v); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
	f(`<165>1 2003-10-11T22:14:15.003Z mymachine evntslog - ID47 [ex@32473 iut="3" iut="\"4\""][b] text`,
		`{"facility":"local4","severity":"notice","facility_code":20,"severity_code":5,"timestamp":"2003-10-11T22:14:15.003Z","hostname":"mymachine","appname":"evntslog","procid":null,"msgid":"ID47","structured_data":[{"id":"ex@32473","params":[{"name":"iut","value":"3"},{"name":"iut","value":"\"4\""}]},{"id":"b","params":[]}],"message":"text","format":"rfc5424","warnings":[]}`)
	f(`<34>2022 Oct 11 22:14:15 mymachine su: text`,
		`{"facility":"auth","severity":"crit","facility_code":4,"severity_code":2,"timestamp":"2022-10-11T20:14:15Z","hostname":"mymachine","appname":"su","procid":null,"msgid":null,"structured_data":[],"message":"text","format":"rfc3164","warnings":[]}`,
		"--zone", "Europe/Berlin")
	f(`<34>2022 Oct 11 22:14:15 mymachine su: text`,
		`{"facility":"auth","severity":"crit","facility_code":4,"severity_code":2,"timestamp":"2022-10-11T16:44:15Z","hostname":"mymachine","appname":"su","procid":null,"msgid":null,"structured_data":[],"message":"text","format":"rfc3164","warnings":[]}`,
		"--zone", "+05:30")
	f(`text only`,
		`{"facility":"user","severity":"notice","facility_code":1,"severity_code":5,"timestamp":null,"hostname":null,"appname":null,"procid":null,"msgid":null,"structured_data":[],"message":"text only","format":"unparsed","warnings":["no-priority","no-timestamp","no-hostname"]}`)
	f("<13>caf\xe9 \u202e\x1b[2J\U000e0001",
		`{"facility":"user","severity":"notice","facility_code":1,"severity_code":5,"timestamp":null,"hostname":null,"appname":null,"procid":null,"msgid":null,"structured_data":[],"message":"caf`+"\uFFFD"+` \u202e\u001b[2J\udb40\udc01","format":"unparsed","warnings":["no-timestamp","no-hostname","not-utf8"],"raw_base64":"`+
			base64.StdEncoding.EncodeToString([]byte("<13>caf\xe9 \u202e\x1b[2J\U000e0001"))+`"}`)
	f(`<34>1 2003-10-11T22:14:15.003Z h`,
		`{"facility":"auth","severity":"crit","facility_code":4,"severity_code":2,"timestamp":"2003-10-11T22:14:15.003Z","hostname":"h","appname":null,"procid":null,"msgid":null,"structured_data":[],"message":"","format":"rfc5424","warnings":["bad-structured-data"],"strict_position":32,"strict_error":"expecting an hostname (from 1 to max 255 US-ASCII characters) or a nil value"}`,
		"--strict")
}

func TestParsePrintsATable(t *testing.T) {
	got := runParse(t, "<34>1 2003-10-11T22:14:15.003Z h app 12 ID1 [a@1 b=\"c\"] t\x1b[2Jext\nwords\n", "--strict")
	want := `line 1: rfc5424
  facility        auth
  severity        crit
  timestamp       2003-10-11T22:14:15.003Z
  hostname        h
  appname         app
  procid          12
  msgid           ID1
  structured data a@1
    b             c
  message         t\x1b[2Jext
  strict          is as RFC 5424 wants it

line 2: unparsed
  facility        user
  severity        notice
  message         words
  warning         no-priority
  warning         no-timestamp
  warning         no-hostname
  strict          departs from RFC 5424 at octet 0: expecting a priority value within angle brackets

`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(file, []byte("<13>one: 1\r\n<13>two: 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	var apps []string
	for _, line := range strings.Split(strings.TrimSpace(runParse(t, "", "--json", file)), "\n") {
		var v struct{ AppName, Message string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		apps = append(apps, v.AppName+v.Message)
	}
	if want := []string{"one1", "two2"}; !reflect.DeepEqual(apps, want) {
		t.Errorf("got %v, want %v", apps, want)
	}
}

func TestParseCutsLongLines(t *testing.T) {
	input := "<13>long: " + strings.Repeat("x", 2*maxParseLine) + "\n<13>next: text\n"
	lines := strings.Split(strings.TrimSpace(runParse(t, input, "--json")), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"truncated"`) || len(lines[0]) > maxParseLine+1000 || !strings.Contains(lines[1], `"next"`) {
		t.Errorf("%d lines; the first of %d octets", len(lines), len(lines[0]))
	}
}

func TestParseRefusesUnknownZones(t *testing.T) {
	cmd := newParseCommand()
	cmd.SetArgs([]string{"--zone", "Europe/Nowhere"})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "Europe/Berlin") {
		t.Errorf("error %v, want one that names a zone", err)
	}
}

// Whatever the octets, nothing but what prints reaches the terminal, and JSON is valid.
func FuzzParseOutputIsHarmless(f *testing.F) {
	f.Add([]byte("<34>1 2003-10-11T22:14:15.003Z h\x1b] a\x9b p m [x y=\"\x1b[2J\"] \u202e\x07"))
	f.Add([]byte("<13>Oct 11 22:14:15 host app: \xff\x00\r\n\x7f"))
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, args := range [][]string{{"--strict"}, {"--strict", "--json"}} {
			out := runParse(t, string(input), args...)
			if !utf8.ValidString(out) {
				t.Fatalf("%q is no UTF-8", out)
			}
			for _, r := range out {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Fatalf("%q in %q", r, out)
				}
			}
			if len(args) == 2 {
				for _, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
					if line != "" && !json.Valid([]byte(line)) {
						t.Fatalf("%s is no JSON", line)
					}
				}
			}
		}
	})
}
