package syslogng

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
)

// input translates a driver of a source.
func (t *translator) input(st statement, n *node, base string) []string {
	switch n.word() {
	case "udp", "udp6", "tcp", "tcp6", "network", "syslog", "default-network-drivers", "unix-dgram", "unix-stream":
		t.unknownOptions(st, n, sourceOptions)
	case "file", "wildcard-file":
		t.unknownOptions(st, n, sourceOptions, fileOptions)
	}
	switch n.word() {
	case "internal":
		t.spare(st, "Syslane's own messages go to the journal")
		return nil
	case "system", "systemd-journal":
		in := t.draft.Input(st.at, "journal", base)
		in.Set("listen", "127.0.0.1:19532")
		in.Comment("systemd-journal-upload brings the journal: \"syslane setup journald --relay 127.0.0.1\" has its settings")
		in.Comment("Without journald: type = \"unix\", path = \"/dev/log\"")
		return []string{in.Name}
	case "udp", "udp6":
		return t.network(st, n, base, "udp", "514")
	case "tcp", "tcp6":
		return t.network(st, n, base, "tcp", "514")
	case "network":
		return t.network(st, n, base, or(option(n.args, "transport"), "tcp"), "514")
	case "syslog":
		transport := or(option(n.args, "transport"), "tcp")
		port := map[string]string{"udp": "514", "tls": "6514"}[transport]
		return t.network(st, n, base, transport, or(port, "601"))
	case "default-network-drivers":
		var names []string
		for _, d := range []struct{ kind, option, port string }{{"udp", "udp-port", "514"}, {"tcp", "tcp-port", "514"}, {"tcp", "rfc5424-tcp-port", "601"}} {
			if in := t.listen(st, d.kind, base, "", or(option(n.args, d.option), d.port)); in != nil {
				names = append(names, in.Name)
			}
		}
		return names
	case "unix-dgram", "unix-stream":
		path := first(texts(n.args))
		if !filepath.IsAbs(path) {
			t.lose(st, "a socket has an absolute path")
			return nil
		}
		in := t.draft.Input(st.at, "unix", base)
		in.Set("path", path)
		if n.is("unix-stream") {
			in.Set("stream", true)
		}
		t.changes(st, n, in)
		return []string{in.Name}
	case "file", "wildcard-file":
		return t.files(st, n, base)
	}
	t.lose(st, "no input has a counterpart of %s()", n.word())
	return nil
}

// network adds an input with an address.
func (t *translator) network(st statement, n *node, base, transport, port string) []string {
	kind := transport
	switch transport {
	case "tcp", "udp", "tls":
	case "proxied-tcp", "proxied-tls":
		kind = strings.TrimPrefix(transport, "proxied-")
	default:
		t.lose(st, "no input has the transport %q", transport)
		return nil
	}
	any := "0.0.0.0"
	if n.is("udp6") || n.is("tcp6") || option(n.args, "ip-protocol") == "6" {
		any = "::"
	}
	in := t.listen(st, kind, base, or(option(n.args, "ip", "localip"), any), or(option(n.args, "port", "localport", "destport"), port))
	if in == nil {
		return nil
	}
	if kind != transport {
		in.Comment("proxy_protocol_from names the load balancers whose PROXY headers are believed")
	}
	for _, o := range []struct{ theirs, ours string }{{"log-msg-size", "max_message_size"}, {"so-rcvbuf", "receive_buffer"}} {
		if o.ours == "receive_buffer" && kind != "udp" {
			continue
		}
		if v, err := strconv.ParseInt(option(n.args, o.theirs), 10, 32); err == nil && v >= 1024 {
			in.Set(o.ours, config.Size(v))
		}
	}
	if v, err := strconv.Atoi(option(n.args, "max-connections")); err == nil && v > 0 && kind != "udp" {
		in.Set("max_connections", v)
	}
	if tls := find(n.args, "tls"); tls != nil || kind == "tls" {
		if kind != "tls" {
			t.lose(st, "a tls() without transport(\"tls\")")
		} else {
			in.Set("tls", t.serverTLS(st, tls))
		}
	}
	t.changes(st, n, in)
	return []string{in.Name}
}

func (t *translator) listen(st statement, kind, base, host, port string) *convert.Table {
	if v, err := strconv.ParseUint(port, 10, 16); err != nil || v == 0 {
		t.lose(st, "%q is no port", port)
		return nil
	}
	addr := net.JoinHostPort(strings.Trim(or(host, "0.0.0.0"), "[]"), port)
	network := "tcp"
	if kind == "udp" {
		network = kind
	}
	if t.listeners[network+addr] {
		t.lose(st, "another input has the address %s already", addr)
		return nil
	}
	t.listeners[network+addr] = true
	in := t.draft.Input(st.at, kind, base)
	in.Set("listen", addr)
	return in
}

// changes translates the options that change messages.
func (t *translator) changes(st statement, n *node, in *convert.Table) {
	set := convert.Inline{}
	for _, o := range []struct{ theirs, ours string }{{"program-override", "app"}, {"host-override", "host"}} {
		if v := option(n.args, o.theirs); v != "" {
			set = append(set, convert.Pair{Key: o.ours, Value: v})
		}
	}
	if in.Kind() == "file" {
		if f, err := syslog.ParseFacility(option(n.args, "default-facility")); err == nil {
			set = append(set, convert.Pair{Key: "facility", Value: f.String()})
		}
		if s, err := syslog.ParseSeverity(option(n.args, "default-priority", "default-severity", "default-level")); err == nil {
			set = append(set, convert.Pair{Key: "severity", Value: s.String()})
		}
	}
	if v, err := strconv.ParseInt(or(option(n.args, "log-msg-size"), t.options["log-msg-size"]), 10, 64); err == nil {
		in.Longer(v)
	}
	if zone := option(n.args, "time-zone"); strings.Contains(zone, "/") {
		in.Set("time_zone", zone)
	} else if zone != "" {
		t.lose(st, "time_zone takes names as \"Europe/Zurich\", not %q", zone)
	}
	if charset := option(n.args, "encoding"); charset != "" && !strings.EqualFold(charset, "utf-8") {
		in.Set("charset", charset)
	}
	if len(set) > 0 {
		t.draft.Transform(st.at, convert.Atom("input == %s", convert.Text(in.Name))).Set("set", set)
	}
}

func (t *translator) files(st statement, n *node, base string) []string {
	path := first(texts(n.args))
	if n.is("wildcard-file") {
		path = filepath.Join(option(n.args, "base-dir"), or(option(n.args, "filename-pattern"), "*"))
		if option(n.args, "recursive") == "yes" {
			t.lose(st, "recursive(yes): write a pattern for each level, as %s", filepath.Join(filepath.Dir(path), "*", filepath.Base(path)))
		}
	}
	if !filepath.IsAbs(path) || strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/dev/") {
		t.lose(st, "an input follows files with an absolute path that are no devices, not %q", path)
		return nil
	}
	in := t.draft.Input(st.at, "file", base)
	in.Set("include", []string{path})
	t.changes(st, n, in)
	return []string{in.Name}
}

// serverTLS makes the tls table of an input.
func (t *translator) serverTLS(st statement, tls *node) convert.Inline {
	if tls == nil {
		tls = &node{}
	}
	out := convert.Inline{{Key: "cert_file", Value: option(tls.args, "cert-file")}, {Key: "key_file", Value: option(tls.args, "key-file")}}
	if verify := option(tls.args, "peer-verify"); verify != "" && !strings.HasPrefix(verify, "required") && verify != "yes" {
		return append(out, convert.Pair{Key: "client_auth", Value: "none"})
	}
	// Said in words, so that nobody gets in where what tells peers apart is missing.
	out = append(out, convert.Pair{Key: "client_auth", Value: "require"})
	trusted := t.trusted(st, tls)
	if find(tls.args, "trusted-keys", "trusted-dn") != nil {
		return out // the authority alone would let in more
	}
	return append(out, trusted...)
}

// clientTLS makes the tls table of an output.
func (t *translator) clientTLS(st statement, tls *node) convert.Inline {
	out := convert.Inline{}
	if tls == nil {
		return out
	}
	for _, o := range []struct{ theirs, ours string }{{"cert-file", "cert_file"}, {"key-file", "key_file"}} {
		if v := option(tls.args, o.theirs); v != "" {
			out = append(out, convert.Pair{Key: o.ours, Value: v})
		}
	}
	if verify := option(tls.args, "peer-verify"); strings.Contains(verify, "untrusted") || verify == "no" {
		t.lose(st, "peer-verify(%s): a server's certificate is always verified here", verify)
	}
	return append(out, t.trusted(st, tls)...)
}

// trusted translates what certificates are believed.
func (t *translator) trusted(st statement, tls *node) (out convert.Inline) {
	if ca := option(tls.args, "ca-file"); ca != "" {
		out = append(out, convert.Pair{Key: "ca_file", Value: ca})
	} else if dir := option(tls.args, "ca-dir"); dir != "" {
		t.lose(st, "ca-dir(%q): ca_file names one file with the certificates: cat %s/*.pem", dir, dir)
	}
	if keys := find(tls.args, "trusted-keys"); keys != nil {
		t.lose(st, "trusted-keys() are fingerprints by SHA-1; permitted_peers takes those by SHA-256")
	}
	if names := find(tls.args, "trusted-dn"); names != nil {
		t.lose(st, "trusted-dn(): permitted_peers takes the names in certificates, as \"*.example.net\"")
	}
	return out
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
