package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

func TestQueriesAreUnderstood(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		} else if got := q.String(); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	f(``, `(and)`)
	f(`   `, `(and)`)
	f(`*`, `(and)`)
	f(`Failed`, `"failed"`)
	f(`failed password`, `(and "failed" "password")`)
	f(`failed AND password or x y`, `(or (and "failed" "password") (and "x" "y"))`)
	f(`a (b or c) not d -e not not g`, `(and "a" (or "b" "c") (not "d") (not "e") "g")`)
	f(`"a \"b\" \\ \n"`, `"a "b" \ \n"`)
	f(`"and" or "or"`, `(or "and" "or")`)
	f(`conn* *time *oo*`, `(and "conn"* *"time" *"oo"*)`)
	f(`"conn*"`, `"conn*"`)
	f(`10.0.0.1:22 user=root /var/log a-b`, `(and "10.0.0.1:22" "user=root" "/var/log" "a-b")`)
	f(`app:sshd host:web*`, `(and app:"sshd" host:"web"*)`)
	f(`Host.Name:x pid:12 "log.syslog.appname:y"`, `(and host:"x" procid:"12" "log.syslog.appname:y")`)
	f(`host:(web1 or web2 or "a b")`, `(or host:"web1" host:"web2" host:"a b")`)
	f(`host:(not web1)x`, `(and (not host:"web1") "x")`)
	f(`app:and not app:or`, `(and app:"and" (not app:"or"))`)
	f(`message:"a b" message:c*`, `(and message:"a b" message:"c"*)`)
	f(`severity<=err`, `severity:{<=err}`)
	f(`severity:WARN level:3`, `(and severity:{warning} severity:{err})`)
	f(`severity:(err or crit)`, `(or severity:{err} severity:{crit})`)
	f(`severity:e*`, `severity:{emerg,err}`)
	f(`facility:auth* facility:4`, `(and facility:{auth,authpriv} facility:{auth})`)
	f(`source:10.0.0.0/8 source:10.1.2.3 source:[::1]:514 source:10.*`, `(and source:10.0.0.0/8 source:10.1.2.3/32 source:::1/128 port 514 source:"10."*)`)
	f(`source:(fe80::1 or ::1)`, `(or source:fe80::1/128 source:::1/128)`)
	f(`tags:no-* format:rfc5424`, `(and tags:{no-priority,no-timestamp,no-hostname} format:{rfc5424})`)
	f(`sd.origin.ip:10.0.0.1 sd.x@1:*`, `(and sd.origin.ip:"10.0.0.1" sd.x@1:*)`)
	f(`id:0ABC*`, `id:"0abc"*`)
	f(`app:*`, `app:*`)
}

func TestRegularExpressionsAreBoundedTogether(t *testing.T) {
	f := func(query string, wantColumn int) {
		t.Helper()
		_, err := Parse(query)
		var se *SyntaxError
		switch {
		case wantColumn == 0 && err != nil:
			t.Errorf("%.100s: %v", query, err)
		case wantColumn > 0 && (!errors.As(err, &se) || se.Column != wantColumn || !strings.Contains(se.Text, "5000 instructions")):
			t.Errorf("%.100s: %v, want an error at column %d", query, err, wantColumn)
		}
	}
	never := `[\x{10FFFE}\x{10FFFF}]/`
	f(`/(?:\w?){1000}`+never, 0)
	f(`/`+strings.Repeat(`(?:\w?){1000}`, 290)+never, 1)
	f(`x or app:/`+strings.Repeat(`(?:\w?){1000}`, 3)+never, 10)
	f(strings.Repeat(`/(?:\w?){1000}`+never+` or `, 2)+`/(?:\w?){900}/`, 83)
	f(`/^\d{1,3}(\.\d{1,3}){3}$/ /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i /(GET|POST) \S{1,500} HTTP/`, 0)
}

func TestErrorsPointAtTheirColumn(t *testing.T) {
	f := func(query string, column int, want string) {
		t.Helper()
		_, err := Parse(query)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%s: %v", query, err)
		} else if se.Column != column || !strings.Contains(se.Text, want) {
			t.Errorf("%s: column %d: %s; want column %d: %s", query, se.Column, se.Text, column, want)
		}
	}
	f(`a (b or c`, 3, "never closed")
	f(`a)`, 2, "without its (")
	f(`"abc`, 1, "never closed")
	f(`a or`, 5, "ends where a term")
	f(`or a`, 1, "a term is expected")
	f(`a and and b`, 7, "a term is expected")
	f(`()`, 2, "a term is expected")
	f(`ä hst:web`, 3, `did you mean "host"?`)
	f(`see http://x`, 5, `quote it: "http:…"`)
	f(`app:`, 5, "needs a value")

	f(`app<x`, 5, "takes no <")
	f(`severity<=e*`, 11, "takes no stars")
	f(`severity:bad`, 10, "is none of emerg")
	f(`severity <= err`, 10, "stands next to its field")
	f(`severity<=(err)`, 11, "takes one value")
	f(`facility:nope`, 10, "is none of kern")
	f(`source:nowhere`, 8, "is no address")
	f(`tags:x`, 6, "is one of truncated")
	f(`format:x`, 8, "is one of unparsed")
	f(`host:(a app:b)`, 9, "within the values of host")
	f(`a |`, 4, "a stage is expected")
	f(`a | cuont`, 5, `did you mean "count"?`)
	f(`a | count host`, 11, `"by" is expected`)
	f(`a | count by`, 13, "name of a field")
	f(`a | count by hots`, 14, `did you mean "host"?`)
	f(`a | count by host, host`, 20, "named twice")
	f(`a | count by host | top app`, 21, "counts once")
	f(`a | first 3 | count`, 15, "must be the first stage")
	f(`a | top 0 app`, 9, "no number from 1")
	f(`a | top 5`, 10, "needs a field")
	f(`a | histogram 5x`, 15, "no span of time")
	f(`a | rate by @timestamp`, 13, "count by time")
	f(`a | first x`, 11, "no number")
	f(`a | count by app | sort host`, 25, "there are app, count")
	f(`a | facets app | first`, 18, "nothing can stand")
	f(`a | fields host app`, 17, "fields takes no")
	f(`/a(/`, 1, "missing closing")
	f(`severity</a/`, 10, "takes no regular expression")
	f(`@timestamp:1h`, 12, "takes no colon")
	f(`@timestamp>soon`, 12, "write a span")
	f(`--help`, 1, "quote it")
	f(`a*b`, 1, "a * stands")
	f(`""`, 1, "nothing stands")
	f(strings.Repeat("(", 51)+"a", 51, "groups within")
	f(strings.Repeat("a", MaxQueryLength+1), 1, "longer than")
}

// event makes an RFC 5424 event of its fields.
func event(host, app, procid, msgid, sd, text string) *syslog.Event {
	e := &syslog.Event{}
	e.Timestamp = syslog.NoTimestamp
	add := func(s string) syslog.Span {
		from := uint32(len(e.Raw))
		e.Raw = append(append(e.Raw, s...), ' ')
		return syslog.Span{Start: from, End: from + uint32(len(s))}
	}
	add("<34>1 2026-01-31T10:20:30Z")
	e.Format, e.Facility, e.Severity = syslog.RFC5424, 4, syslog.Critical
	e.Hostname, e.AppName, e.ProcID, e.MsgID, e.StructuredData, e.Text = add(host), add(app), add(procid), add(msgid), add(sd), add(text)
	return e
}

func TestQueriesMatchEvents(t *testing.T) {
	e := event("web1.example.org", "sshd", "4711", "LOGIN",
		`[x@1 user="Bob \"B\" \]" k="v"][x@1.2 a="1"][empty]`,
		"Failed password for root from 10.0.0.1:22 disk_full ÄRGER in Øre, straße 50%")
	e.Source = addrPort("10.9.8.7:514")
	e.Input, e.Identity = "Front", "CN=web1"
	e.Warnings = syslog.WarnClockSkew | syslog.WarnNotUTF8
	yes := func(query string) {
		t.Helper()
		check(t, e, query, true)
	}
	no := func(query string) {
		t.Helper()
		check(t, e, query, false)
	}
	yes(``)
	yes(`failed`)
	yes(`FAILED PassWord`)
	no(`fail`)
	yes(`fail*`)
	no(`ailed`)
	yes(`*ailed`)
	yes(`*aile*`)
	yes(`"failed password"`)
	no(`"password failed"`)
	yes(`10.0.0.1`)
	yes(`10.0.0`)
	yes(`0.0.1`)
	no(`0.0.0.1`)
	yes(`10.0.0.*`)
	yes(`10.0.0.1:22`)
	yes(`disk_full`)
	no(`disk`)
	yes(`ärger`)
	yes(`ärg*`)
	no(`ärge`)
	yes(`øre`)
	yes(`"øre, STRASSE" or straße`)
	no(`rger`)
	yes(`*rger`)
	yes(`50%`)
	yes(`sshd`)
	yes(`4711`)
	yes(`login`)
	yes(`web1`)
	yes(`bob`)
	no(`2026`)
	no(`34`)
	no(`front`)
	yes(`message:root`)
	no(`message:sshd`)
	yes(`message:"for root"`)
	yes(`app:SSHD`)
	no(`app:ssh`)
	yes(`app:ssh*`)
	yes(`app:*hd`)
	yes(`app:*sh*`)
	no(`app:*ss`)
	yes(`host:web1.example.org`)
	no(`host:web1`)
	yes(`host:(db* or web*)`)
	no(`host:(db* or unknown)`)
	yes(`procid:4711`)
	yes(`msgid:login`)
	yes(`severity:crit severity<=err severity<err severity>=alert severity>alert severity>=crit severity<=crit`)
	no(`severity<crit`)
	no(`severity>crit`)
	no(`severity>=err`)
	yes(`facility:auth`)
	no(`facility:daemon`)
	yes(`source:10.0.0.0/8`)
	yes(`source:10.9.8.7`)
	yes(`source:10.9.8.7:514`)
	no(`source:10.9.8.7:515`)
	no(`source:192.168.0.0/16`)
	yes(`source:10.9*`)
	no(`source:::1`)
	yes(`input:front`)
	yes(`identity:"cn=web1"`)
	yes(`format:rfc5424`)
	yes(`tags:clock-skew tags:not*`)
	no(`tags:truncated`)
	yes(`sd.x@1.user:*bob*`)
	yes(`sd.x@1.user:"Bob \"B\" ]"`)
	no(`sd.x@1.user:bob`)
	yes(`sd.x@1.k:v`)
	yes(`sd.x@1.2.a:1`)
	no(`sd.x@1.a:1`)
	yes(`sd.empty:*`)
	no(`sd.emp:*`)
	yes(`sd.x@1.k:*`)
	no(`sd.X@1.k:*`)
	yes(`id:` + e.ID.String())
	yes(`id:0000*`)
	no(`id:1*`)
	yes(`not fail`)
	no(`not failed`)
	yes(`nothing or failed`)
	no(`nothing failed`)
	yes(`-nothing failed`)

	bare := event("", "", "", "", "", "x")
	check(t, bare, `host:unknown`, true)
	check(t, bare, `app:*`, false)
	check(t, bare, `source:0.0.0.0/0`, false)
	bare.Source = addrPort("[::ffff:192.0.2.1]:514")
	check(t, bare, `host:192.0.2.1`, true)
	check(t, bare, `host:192.0.2.*`, true)
	check(t, bare, `source:192.0.2.0/24`, true)
}

func check(t *testing.T, e *syslog.Event, query string, want bool) {
	t.Helper()
	q, err := Parse(query)
	if err != nil {
		t.Error(err)
		return
	}
	if got := q.Matcher().Match(e); got != want {
		t.Errorf("%s: %v", query, got)
	}
	if q.literal != nil && want {
		record := syslog.AppendRecord(nil, e)
		if at, _ := q.literal.index(record, 0); at < 0 {
			t.Errorf("%s: its literal %q is not in the record", query, q.literal.text)
		}
	}
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	e := event("web1", "sshd", "4711", "LOGIN", `[x@1 user="Bob \"B\""]`, "Failed password for root from 10.0.0.1 ÄRGER")
	e.Source, e.Input = addrPort("10.9.8.7:514"), "front"
	q, err := Parse(`failed *ärg* host:w* app:(x or sshd) severity<=err source:10.0.0.0/8 source:10.* sd.x@1.user:*b* input:front id:0* host:*1 -nothing`)
	if err != nil {
		t.Fatal(err)
	}
	m := q.Matcher()
	if !m.Match(e) {
		t.Fatal("no match")
	}
	if n := testing.AllocsPerRun(100, func() { m.Match(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// fuzzAnswer runs a query over a log and returns all that it says.
func fuzzAnswer(q *Query, l log) string {
	var b strings.Builder
	_, err := q.run(context.Background(), l, Request{}, func(doc []byte) error {
		if !json.Valid(doc) {
			return fmt.Errorf("%q is no JSON", doc)
		}
		b.Write(append(doc, '\n'))
		return nil
	})
	return fmt.Sprint(b.String(), err)
}

func FuzzParse(f *testing.F) {
	for _, q := range []string{`a (b or c) -d app:x*`, `host:(a or "b\"") severity<=err`, `source:10.0.0.0/8 sd.a@1.b:*c*`, `Ä* tags:no-* İK`,
		`a | count by host, app | sort -count | first 2`, `severity<=err | histogram 5m by severity`, `/a(b|c)/i | top 3 host`, `| facets 2 host,app`,
		`@timestamp>=2026-01-31 | sort host desc, -app | last 3 | fields id, sd.x@1.a`, `| rate 1d | last`} {
		f.Add(q, "Failed İ ä K", "web")
	}
	f.Fuzz(func(t *testing.T, query, text, host string) {
		q, err := Parse(query)
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Column < 1 || se.Column > len(query)+1 || se.Text == "" {
				t.Fatalf("%q: %#v", query, err)
			}
			return
		}
		e := event(host, "app", "", "", fmt.Sprintf("[x@1 a=%q]", text), text)
		m := q.Matcher()
		matched := m.Match(e)
		if matched && q.literal != nil {
			if at, _ := q.literal.index(syslog.AppendRecord(nil, e), 0); at < 0 {
				t.Fatalf("%q matches, and its literal %q is not in the record", query, q.literal.text)
			}
		}
		run := syslog.AppendRecord(nil, e)
		info := blockInfo{BlockInfo: spool.BlockInfo{First: 1, Count: 1, MinTime: e.TimeNano(), MaxTime: e.TimeNano()}}
		read := fuzzAnswer(q, &memoryLog{infos: []blockInfo{info}, runs: [][]byte{run}})
		info.Skip = new(skipdata.Summarizer).Append(nil, run)
		if indexed := fuzzAnswer(q, &memoryLog{infos: []blockInfo{info}, runs: [][]byte{run}}); read != indexed {
			t.Fatalf("%q answers %s, and %s by the index", query, read, indexed)
		}
		if q.Piped() {
			return
		}
		negated, err := Parse("not (" + query + ")")
		if err != nil || strings.TrimSpace(query) == "" {
			return // too long or too deep now, or nothing to negate
		}
		if negated.Matcher().Match(e) == matched {
			t.Fatalf("%q and its negation agree", query)
		}
	})
}
