package rsyslog

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
)

func (t *translator) input(st *statement) {
	p := st.params
	kind := strings.ToLower(p.text("type"))
	switch kind {
	case "imudp", "imtcp", "imptcp", "imrelp", "imuxsock", "imfile":
		t.unknownParams(st, inputParams)
	}
	switch kind {
	case "imudp":
		ports := p["port"]
		if len(ports) == 0 {
			ports = []string{"514"}
		}
		for _, port := range ports {
			in := t.listen(st, "udp", p.text("address"), port, p.text("ruleset"))
			if in != nil && size(p.text("rcvbufsize")) > 0 {
				in.Set("receive_buffer", size(p.text("rcvbufsize")))
			}
			t.inputExtras(st, in, p)
		}
	case "imtcp", "imptcp":
		mode, auth, peers := t.legacy.inputMode, t.legacy.inputAuth, t.legacy.inputPeers
		if kind == "imptcp" { // it knows no TLS
			mode = ""
		} else if p.text("streamdriver.mode") != "" {
			mode, auth, peers = p.text("streamdriver.mode"), p.text("streamdriver.authmode"), p["permittedpeer"]
		}
		if kind == "imptcp" && p.text("path") != "" {
			in := t.socket(st, p.text("path"))
			in.Set("stream", true)
			t.bound[in] = p.text("ruleset")
			return
		}
		in := t.listenTCP(st, p.text("address"), p.text("port"), p.text("ruleset"), mode, auth, peers, certificates{
			p.text("streamdriver.cafile"), p.text("streamdriver.certfile"), p.text("streamdriver.keyfile"),
		})
		if in != nil && strings.HasPrefix(p.text("compression.mode"), "stream") {
			in.Set("compression", "zlib")
		}
		t.inputExtras(st, in, p)
	case "imrelp":
		in := t.listen(st, "relp", p.text("address"), p.text("port"), p.text("ruleset"))
		if in != nil && p.on("tls") {
			auth := p.text("tls.authmode")
			if p.text("tls.mycert") == "" {
				t.lose(st, "RELP over TLS without certificates: syslane cert makes some")
			}
			in.Set("tls", t.serverTLS(st, certificates{p.text("tls.cacert"), p.text("tls.mycert"), p.text("tls.myprivkey")}, auth, p["tls.permittedpeer"]))
		}
		if in != nil {
			in.Longer(octets(p.text("maxdatasize")))
		}
		t.inputExtras(st, in, p)
	case "imuxsock":
		if path := p.text("socket"); path != "" {
			t.bound[t.socket(st, path)] = p.text("ruleset")
			return
		}
		t.lose(st, "an input(type=\"imuxsock\") needs a Socket")
	case "imfile":
		t.follow(st, p["file"], p.text("tag"), p.text("facility"), p.text("severity"), p.text("ruleset"))
	default:
		t.lose(st, "no input has a counterpart of %s", kind)
	}
}

// inputExtras notes what else an input was told.
func (t *translator) inputExtras(st *statement, in *convert.Table, p params) {
	if in == nil {
		return
	}
	if p.text("ratelimit.interval") != "" || p.text("ratelimit.burst") != "" || p.text("ratelimit.name") != "" {
		t.lose(st, "the limit of the input %s: see [[limit]] in docs/RULES.md", in.Name)
	}
	if p.text("defaulttz") != "" {
		t.lose(st, "defaultTZ: time_zone takes names as \"Europe/Zurich\"")
	}
}

// listen adds an input with an address.
func (t *translator) listen(st *statement, kind, host, port, ruleset string) *convert.Table {
	if port == "" && kind == "relp" {
		t.lose(st, "no port")
		return nil
	}
	if port == "" {
		port = "514"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		t.lose(st, "%q is no port", port)
		return nil
	}
	if host == "" || host == "*" {
		host = "::" // both families
	}
	addr := net.JoinHostPort(strings.Trim(host, "[]"), port)
	network := kind
	if kind != "udp" {
		network = "tcp"
	}
	if t.listeners[network+addr] {
		t.lose(st, "another input has the address %s already", addr)
		return nil
	}
	t.listeners[network+addr] = true
	in := t.draft.Input(st.at, kind, kind)
	in.Set("listen", addr)
	t.bound[in] = ruleset
	return in
}

// certificates are the files of a driver.
type certificates struct{ ca, cert, key string }

// or returns the files, those that are not named from the global settings.
func (c certificates) or(t *translator) certificates {
	for _, f := range []struct {
		to  *string
		key string
	}{{&c.ca, "defaultnetstreamdrivercafile"}, {&c.cert, "defaultnetstreamdrivercertfile"}, {&c.key, "defaultnetstreamdriverkeyfile"}} {
		if *f.to == "" {
			*f.to = t.global.text(f.key)
		}
	}
	return c
}

func (t *translator) listenTCP(st *statement, host, port, ruleset, mode, auth string, peers []string, files certificates) *convert.Table {
	if mode == "" || mode == "0" {
		return t.listen(st, "tcp", host, port, ruleset)
	}
	in := t.listen(st, "tls", host, port, ruleset)
	if in != nil {
		in.Set("tls", t.serverTLS(st, files.or(t), auth, peers))
	}
	return in
}

// serverTLS makes the tls table of an input.
func (t *translator) serverTLS(st *statement, files certificates, auth string, peers []string) convert.Inline {
	out := convert.Inline{{Key: "cert_file", Value: files.cert}, {Key: "key_file", Value: files.key}}
	if auth == "" || strings.EqualFold(auth, "anon") {
		return append(out, convert.Pair{Key: "client_auth", Value: "none"})
	}
	// Said in words, so that nobody gets in where what tells peers apart is missing.
	out = append(out, convert.Pair{Key: "client_auth", Value: "require"})
	names, known := t.peers(st, auth, peers)
	if files.ca != "" && known && !strings.HasSuffix(strings.ToLower(auth), "fingerprint") {
		out = append(out, convert.Pair{Key: "ca_file", Value: files.ca})
	}
	if len(names) > 0 {
		out = append(out, convert.Pair{Key: "permitted_peers", Value: names})
	}
	return out
}

// peers returns the peers that may connect, or be connected to; none where any may
// that has a good certificate. known is false where none of those named has a translation.
func (t *translator) peers(st *statement, auth string, peers []string) (names []string, known bool) {
	if strings.EqualFold(auth, "x509/certvalid") || strings.EqualFold(auth, "certvalid") {
		return nil, true
	}
	known = true
	for _, p := range peers {
		for name := range strings.SplitSeq(p, ",") {
			switch name = strings.TrimSpace(name); {
			case name == "":
			case name == "*":
				return nil, true
			case strings.HasPrefix(strings.ToUpper(name), "SHA1:"):
				known = false
				t.lose(st, "the fingerprint %.60s…: only those by SHA-256 are taken; syslane cert and openssl x509 -sha256 print them", name)
			default:
				if err := tlsconf.CheckPeer(name); err != nil {
					known = false
					t.lose(st, "%v", err)
					continue
				}
				names = append(names, name)
			}
		}
	}
	return names, known || len(names) > 0
}

// socket adds a unix input.
func (t *translator) socket(st *statement, path string) *convert.Table {
	if !filepath.IsAbs(path) {
		path = "/" + path
	}
	in := t.draft.Input(st.at, "unix", "unix")
	in.Set("path", path)
	return in
}

// follow adds a file input, and what gives its lines tag, facility and severity.
func (t *translator) follow(st *statement, files []string, tag, facility, severity, ruleset string) {
	var include []string
	for _, f := range files {
		if !filepath.IsAbs(f) || strings.Contains(f, "**") {
			t.lose(st, "include takes absolute paths without \"**\", not %q", f)
			continue
		}
		include = append(include, f)
	}
	if len(include) == 0 {
		t.lose(st, "it names no file")
		return
	}
	tag = strings.TrimSuffix(tag, ":")
	base := "file"
	if tag != "" {
		base = "file-" + tag
	}
	in := t.draft.Input(st.at, "file", base)
	in.Set("include", include)
	t.bound[in] = ruleset
	set := convert.Inline{}
	if tag != "" {
		set = append(set, convert.Pair{Key: "app", Value: tag})
	}
	f, err := syslog.ParseFacility(or(facility, "local0"))
	s, err2 := syslog.ParseSeverity(or(severity, "notice"))
	if err != nil || err2 != nil {
		t.lose(st, "facility %q or severity %q is none", facility, severity)
		return
	}
	set = append(set, convert.Pair{Key: "facility", Value: f.String()}, convert.Pair{Key: "severity", Value: s.String()})
	t.draft.Transform(st.at, convert.Atom("input == %s", convert.Text(in.Name))).Set("set", set)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
