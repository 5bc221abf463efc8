package parser

import (
	"fmt"
	"strings"
	"testing"
)

// collect returns a function for the extractors and what it was called with.
func collect() (func(k, v []byte) bool, *[]string) {
	var all []string
	return func(k, v []byte) bool {
		all = append(all, fmt.Sprintf("%s=%q", k, v))
		return true
	}, &all
}

func TestKeyValuePairsAreExtracted(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, all := collect()
		ExtractKV([]byte(text), got)
		if s := strings.Join(*all, " "); s != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, s, want)
		}
	}
	f(``, ``)
	f(`no pairs here`, ``)
	f(`a=1 b=2`, `a="1" b="2"`)
	f(`date=2022-10-11 devname="fw 1" msg="he said \"no\" \\ \n" srcip=10.0.0.5`,
		`date="2022-10-11" devname="fw 1" msg="he said \"no\" \\ \\n" srcip="10.0.0.5"`)
	f(`a= b="" c`, `a="" b=""`)
	f(`a=1 a=2`, `a="1" a="2"`)
	f(`time=1570561225|attack=Streaming Engine: TCP|origin=10.0.0.1|`, `time="1570561225" attack="Streaming Engine: TCP" origin="10.0.0.1"`)
	f(`date=2022-10-11,time=22:14:15,from="a, b"`, `date="2022-10-11" time="22:14:15" from="a, b"`)
	f(`[action:"Accept"; ifdir:"inbound"; n:"1"]`, `action="Accept" ifdir="inbound" n="1"`)
	f(`id=firewall user=a,b=c n=2`, `id="firewall" user="a,b=c" n="2"`)
	f(`text before src="10.0.0.5:80" and after dst=1`, `src="10.0.0.5:80" dst="1"`)
	f(`open="never closed`, `open="never closed"`)
	f(`url=http://x/?q=1&r=2 next=3`, `url="http://x/?q=1&r=2" next="3"`)
	f("a=1\tb=two words\tc=3", `a="1" b="two words" c="3"`)
}

func TestCEFAndLEEFAreExtracted(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, all := collect()
		ExtractCEF([]byte(text), got)
		if s := strings.Join(*all, " "); s != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, s, want)
		}
	}
	f(`CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232`,
		`deviceVendor="Security" deviceProduct="threatmanager" deviceVersion="1.0" deviceEventClassId="100" name="worm stopped" severity="10" src="10.0.0.1" dst="2.1.2.2" spt="1232"`)
	f(`CEF:0|a\|b|p\\|1|2|n|3|msg=two words \= three\nlines\\ act=blocked a  last= cs1Label=x y `,
		`deviceVendor="a|b" deviceProduct="p\\" deviceVersion="1" deviceEventClassId="2" name="n" severity="3" msg="two words = three\nlines\\" act="blocked a" last="" cs1Label="x y"`)
	f(`CEF:0|a|b|c|d|e|5|`, `deviceVendor="a" deviceProduct="b" deviceVersion="c" deviceEventClassId="d" name="e" severity="5"`)
	f(`CEF:0|a|b`, `deviceVendor="a"`)
	f(`CEF:0|a|b|c|d|e|5|request=http://x/?a=b&c=d src=1`,
		`deviceVendor="a" deviceProduct="b" deviceVersion="c" deviceEventClassId="d" name="e" severity="5" request="http://x/?a=b&c=d" src="1"`)
	f("LEEF:1.0|QRadar|QRM|1.0|NEW_PORT|src=172.5.6.67\tdst=172.50.123.1\tmsg=a = b",
		`deviceVendor="QRadar" deviceProduct="QRM" deviceVersion="1.0" eventId="NEW_PORT" src="172.5.6.67" dst="172.50.123.1" msg="a = b"`)
	f("LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=192.0.2.0^dst=172.50.123.1^sev=5",
		`deviceVendor="Lancope" deviceProduct="StealthWatch" deviceVersion="1.0" eventId="41" src="192.0.2.0" dst="172.50.123.1" sev="5"`)
	f("LEEF:2.0|a|b|1.0|41|x7C|src=1|dst=2", `deviceVendor="a" deviceProduct="b" deviceVersion="1.0" eventId="41" src="1" dst="2"`)
	f("LEEF:2.0|a|b|1.0|41|0x09|src=1\tdst=2", `deviceVendor="a" deviceProduct="b" deviceVersion="1.0" eventId="41" src="1" dst="2"`)
	f("text", "")
}

func TestJSONIsExtracted(t *testing.T) {
	f := func(text, want string, whole bool) {
		t.Helper()
		got, all := collect()
		if ok := ExtractJSON([]byte(text), got); ok != whole {
			t.Errorf("%s: whole is %v", text, ok)
		}
		if s := strings.Join(*all, " "); s != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, s, want)
		}
	}
	f(`{}`, ``, true)
	f(` { "a" : 1 , "b" : "two" , "c":[1,{"d":"]"}], "e":null}`, `a="1" b="two" c="[1,{\"d\":\"]\"}]" e="null"`, true)
	f(`@cee: {"host":{"name":"web1","ip":["10.0.0.1"]},"level":3}`, `host.name="web1" host.ip="[\"10.0.0.1\"]" level="3"`, true)
	f(`{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d\q","\u0061":1}`, `a="\"\\/\b\f\n\r\té😀�\\q" a="1"`, true)
	f(`{"a":1,"a":2}`, `a="1" a="2"`, true)
	f(`{"a":{"b":{"c":{}}}}`, ``, true)
	f(`{"a":1,"b":2`, `a="1"`, false)
	f(`{"a":1,}`, `a="1"`, false)
	f(`{"a" 1}`, ``, false)
	f(`{"a":"open`, ``, false)
	f(`text`, ``, false)
	f(strings.Repeat(`{"a":`, 20)+`1`+strings.Repeat(`}`, 20), ``, false)
}

func TestExtractionCanEnd(t *testing.T) {
	n := 0
	once := func(_, _ []byte) bool { n++; return false }
	ExtractKV([]byte("a=1 b=2"), once)
	ExtractCEF([]byte("CEF:0|a|b|c|d|e|5|x=1"), once)
	ExtractCEF([]byte("LEEF:1.0|a|b|c|d|x=1"), once)
	ExtractJSON([]byte(`{"a":1,"b":2}`), once)
	if n != 4 {
		t.Errorf("%d calls, want 4", n)
	}
}

func TestExtractionOfPlainValuesDoesNotAllocate(t *testing.T) {
	n := 0
	count := func(k, v []byte) bool { n += len(k) + len(v); return true }
	kv, cef := []byte(`date=2022-10-11 devname="fw 1"`), []byte(`CEF:0|a|b|c|d|e|5|src=1 msg=two words`)
	if a := testing.AllocsPerRun(100, func() {
		ExtractKV(kv, count)
		ExtractCEF(cef, count)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// Whatever the octets, extraction ends and stays within them.
func FuzzExtract(f *testing.F) {
	for _, s := range []string{`a=1 b="\""`, `CEF:0|a|b|c|d|e|5|x=\= y=2`, "LEEF:2.0|a|b|c|d|x09|x=1\ty=2", `@cee: {"a":{"b":"\u00e9"},"c":[{}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		size := 0
		count := func(k, v []byte) bool { size += len(v); return true }
		ExtractKV(text, count)
		ExtractCEF(text, count)
		if size > 2*len(text) {
			t.Fatalf("values of %d octets from %d", size, len(text))
		}
		ExtractJSON(text, count)
	})
}

func TestExtractorTellsBodiesApart(t *testing.T) {
	f := func(kinds, text, want string) {
		t.Helper()
		x, err := NewExtractor(strings.Fields(kinds))
		if err != nil {
			t.Fatal(err)
		}
		got, all := collect()
		x.Each([]byte(text), got)
		if s := strings.Join(*all, " "); s != want {
			t.Errorf("%s of %s: got %s, want %s", kinds, text, s, want)
		}
	}
	const all = "kv json cef"
	f(all, `user=alice`, `user="alice"`)
	f(all, ` {"user":"alice"}`, `user="alice"`)
	f(all, `@cee: {"user":"alice"}`, `user="alice"`)
	f(all, `CEF:0|a|b|c|d|e|5|`, `deviceVendor="a" deviceProduct="b" deviceVersion="c" deviceEventClassId="d" name="e" severity="5"`)
	f(all, `LEEF:1.0|a|b|c|d|`, `deviceVendor="a" deviceProduct="b" deviceVersion="c" eventId="d"`)
	f(all, ``, ``)
	f("json cef", `user=alice`, ``)
	f("kv cef", `{"user":"a=b"}`, ``)
	f("kv json", `CEF:0|a|b|c|d|e|5|x=1`, ``)
	f("", `user=alice`, ``)
	if _, err := NewExtractor([]string{"xml"}); err == nil || !strings.Contains(err.Error(), "kv, json, cef") {
		t.Errorf("error %v, want one that names the kinds", err)
	}
}
