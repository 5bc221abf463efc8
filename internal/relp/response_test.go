package relp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestResponses(t *testing.T) {
	f := func(data string, code int, text, rest string) {
		t.Helper()
		r, err := ParseResponse([]byte(data))
		if err != nil || r.Code != code || string(r.Text) != text || string(r.Data) != rest {
			t.Errorf("%q: got %d %q %q (%v)", data, r.Code, r.Text, r.Data, err)
		}
	}
	f("200 OK", 200, "OK", "")
	f("200", 200, "", "")
	f("200 ", 200, "", "")
	f("200 OK\nrelp_version=0\ncommands=syslog", 200, "OK", "relp_version=0\ncommands=syslog")
	f("200\nx", 200, "", "x")
	f("500 no", 500, "no", "")
	f("500 "+strings.Repeat("x", 100), 500, strings.Repeat("x", 80), "")
	for _, bad := range []string{"", "20", "2x0 OK", "OK", "2000", "200OK"} {
		if r, err := ParseResponse([]byte(bad)); err == nil {
			t.Errorf("%q gave %d", bad, r.Code)
		}
	}
	if got := string(AppendOK(nil, 42)); got != "42 rsp 6 200 OK\n" {
		t.Errorf("got %q", got)
	}
	if got := string(AppendResponse(nil, 1, 500, "a\nb\x00c"+strings.Repeat("x", 100), []byte("d"))); got != "1 rsp 86 500 a b c"+strings.Repeat("x", 75)+"\nd\n" {
		t.Errorf("got %q", got)
	}
}

func TestOffers(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		o, err := ParseOffers([]byte(data))
		if got := fmt.Sprint(o); err != nil || got != want {
			t.Errorf("%q: got %s (%v), want %s", data, got, err, want)
		}
	}
	f("", "[]")
	f("relp_version=0\nrelp_software=librelp,1.2.16,http://librelp.adiscon.com\ncommands=syslog",
		"[{relp_version [0]} {relp_software [librelp 1.2.16 http://librelp.adiscon.com]} {commands [syslog]}]")
	f("a\nb=\nc=,\n\nd=1,,2\n", "[{a []} {b []} {c []} {d [1 2]}]")
	for _, bad := range []string{"=x", strings.Repeat("n", 33), "n=" + strings.Repeat("v", 256), strings.Repeat("n\n", 65), strings.Repeat("\n", MaxOpenData+1)} {
		if o, err := ParseOffers([]byte(bad)); err == nil {
			t.Errorf("%.40q gave %v", bad, o)
		}
	}
	o := Offers{{Name: "commands", Values: []string{"syslog", "batch"}}, {Name: "flag"}}
	if got := string(o.AppendTo(nil)); got != "commands=syslog,batch\nflag" {
		t.Errorf("got %q", got)
	}
	if !o.Has("commands", "batch") || o.Has("commands", "x") || o.Has("x", "batch") || o.Value("commands") != "syslog" || o.Value("flag") != "" {
		t.Error("offers are not found")
	}
}

func FuzzOffers(f *testing.F) {
	f.Add([]byte("relp_version=0\ncommands=syslog,batch\nflag\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := ParseOffers(data)
		if err != nil {
			return
		}
		again, err := ParseOffers(o.AppendTo(nil))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(o) {
			t.Fatalf("%q: %v became %v (%v)", data, o, again, err)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("200 OK\nrelp_version=0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseResponse(data)
		if err == nil && (len(r.Text) > maxText || bytes.IndexByte(r.Text, '\n') >= 0 || r.Code > 999) {
			t.Fatalf("%q: %+v", data, r)
		}
	})
}
