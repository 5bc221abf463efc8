package syslogng

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// output translates a driver of a destination.
func (t *translator) output(st statement, n *node, base string) []string {
	if buffer := find(n.args, "disk-buffer"); buffer != nil {
		if size, err := strconv.ParseInt(option(buffer.args, "disk-buf-size", "capacity-bytes"), 10, 50); err == nil && size > 0 {
			t.draft.LogSize = max(t.draft.LogSize, size)
		}
	}
	switch n.word() {
	case "udp", "udp6", "tcp", "tcp6", "network", "syslog", "file", "elasticsearch-http", "elasticsearch-datastream", "opensearch":
		t.unknownOptions(st, n, destinationOptions)
	}
	switch n.word() {
	case "udp", "udp6":
		return t.forward(st, n, base, "udp", "514", "rfc3164")
	case "tcp", "tcp6":
		return t.forward(st, n, base, "tcp", "514", "rfc3164")
	case "network":
		return t.forward(st, n, base, or(option(n.args, "transport"), "tcp"), "514", "rfc3164")
	case "syslog":
		transport := or(option(n.args, "transport"), "tcp")
		port := map[string]string{"udp": "514", "tls": "6514"}[transport]
		return t.forward(st, n, base, transport, or(port, "601"), "rfc5424")
	case "file":
		return t.write(st, n, base)
	case "elasticsearch-http", "elasticsearch-datastream", "opensearch":
		return t.elasticsearch(st, n, base)
	case "usertty", "getvirtconsole", "pipe":
		t.lose(st, "Syslane writes to no terminals and pipes: syslane tail shows messages as they come")
		return nil
	}
	t.lose(st, "there is no output of the kind %s()", n.word())
	return nil
}

func (t *translator) forward(st statement, n *node, base, transport, port, format string) []string {
	switch transport {
	case "tcp", "udp", "tls":
	default:
		t.lose(st, "no output has the transport %q", transport)
		return nil
	}
	port = or(option(n.args, "port", "destport"), port)
	hosts := texts(n.args)
	if servers := find(n.args, "failover", "failover-servers"); servers != nil {
		list := servers
		if inner := find(servers.args, "servers"); inner != nil {
			list = inner
		}
		hosts = append(hosts, texts(list.args)...)
	}
	if flags := find(n.args, "flags"); flags != nil && slices.Contains(texts(flags.args), "syslog-protocol") {
		format = "rfc5424"
	}
	var targets []string
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, " /$`") || strings.Contains(host, ":") && net.ParseIP(strings.Trim(host, "[]")) == nil {
			t.lose(st, "%q is no host", host)
			return nil
		}
		target := net.JoinHostPort(strings.Trim(host, "[]"), port)
		if !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	if v, err := strconv.ParseUint(port, 10, 16); len(targets) == 0 || err != nil || v == 0 {
		t.lose(st, "it names no host, or no port")
		return nil
	}
	out := t.draft.Output(st.at, "syslog", base, func(o *convert.Table) {
		o.Set("targets", targets)
		if len(targets) > 1 {
			o.Set("mode", "failover")
		}
		o.Set("protocol", transport)
		o.Set("format", format)
		if !n.is("syslog") && transport == "tcp" {
			o.Set("framing", "lf")
		}
		if transport == "tls" {
			o.Set("tls", t.clientTLS(st, find(n.args, "tls")))
		}
	})
	if !n.is("syslog") && transport == "tls" {
		out.Comment("over TLS octets are counted (RFC 5425 §4.3), where syslog-ng's network() ends messages with a line feed: in syslog-ng, a source syslog() receives that")
	}
	if find(n.args, "template") != nil {
		t.lose(st, "template(): messages go in the form of %s", format)
	}
	if option(n.args, "spoof-source") == "yes" {
		t.lose(st, "spoof-source(): the link between two Syslanes (type = \"relp\") carries the sender's address")
	}
	return []string{out.Name}
}

// macros that a path may have.
var macros = map[string]string{
	"HOST": "{host}", "FULLHOST": "{host}", "HOST_FROM": "{source}", "FULLHOST_FROM": "{source}", "SOURCEIP": "{source}", "PROGRAM": "{app}",
	"FACILITY": "{facility}", "LEVEL": "{severity}", "SEVERITY": "{severity}", "PRIORITY": "{severity}", "SOURCE": "{input}",
	"YEAR": "{year}", "MONTH": "{month}", "DAY": "{day}", "HOUR": "{hour}",
	"R_YEAR": "{year}", "R_MONTH": "{month}", "R_DAY": "{day}", "R_HOUR": "{hour}",
	"S_YEAR": "{year}", "S_MONTH": "{month}", "S_DAY": "{day}", "S_HOUR": "{hour}",
	"C_YEAR": "{year}", "C_MONTH": "{month}", "C_DAY": "{day}", "C_HOUR": "{hour}",
}

// macro is ${NAME}, or $NAME, which ends where no capital letter, digit or underscore is.
var macro = regexp.MustCompile(`\$(?:\{([A-Za-z0-9_.]+)(?::-[^}]*)?\}|([A-Z0-9_]+))`)

func (t *translator) write(st statement, n *node, base string) []string {
	path := first(texts(n.args))
	var unknown error
	if strings.ContainsAny(strings.ReplaceAll(path, "${", ""), "{") {
		unknown = fmt.Errorf("braces in a file name")
	}
	path = macro.ReplaceAllStringFunc(path, func(m string) string {
		parts := macro.FindStringSubmatch(m)
		name := strings.ToUpper(parts[1] + parts[2])
		if macros[name] == "" {
			unknown = fmt.Errorf("%s in a file name: there are {host} {app} {input} {source} {facility} {severity} {year} {month} {day} {hour}", m)
		}
		return macros[name]
	})
	switch {
	case unknown != nil:
		t.lose(st, "%v", unknown)
		return nil
	case !filepath.IsAbs(path) || filepath.Clean(path) == "/" || strings.Contains(path, "$") || strings.HasPrefix(path, "/dev/"):
		t.lose(st, "an output writes files with an absolute path that are no devices, not %q", path)
		return nil
	}
	out := t.draft.Output(st.at, "file", base, func(o *convert.Table) { o.Set("path", filepath.Clean(path)) })
	if find(n.args, "template") != nil {
		out.Comment("the template is not translated: lines are as in rsyslog's RSYSLOG_FileFormat; format = \"json\" and \"raw\" are others")
	}
	return []string{out.Name}
}

func (t *translator) elasticsearch(st statement, n *node, base string) []string {
	var hosts []string
	stream := ""
	if urls := find(n.args, "url"); urls != nil {
		for _, list := range texts(urls.args) {
			for u := range strings.FieldsSeq(list) {
				u = strings.TrimSuffix(strings.TrimSuffix(u, "/"), "/_bulk")
				if i := strings.Index(u, "://"); i >= 0 {
					if slash := strings.IndexByte(u[i+3:], '/'); slash >= 0 {
						u, stream = u[:i+3+slash], u[i+3+slash+1:]
					}
				}
				if !convert.IsNode(u) {
					t.lose(st, "url(%q) is no address of a server", u)
					return nil
				}
				hosts = append(hosts, u)
			}
		}
	}
	if len(hosts) == 0 {
		t.lose(st, "it has no url()")
		return nil
	}
	index, allowed := indexName(option(n.args, "index"))
	name := strings.Split(stream, "-") // type, dataset and namespace
	out := t.draft.Output(st.at, "elasticsearch", base, func(o *convert.Table) {
		o.Set("hosts", hosts)
		switch {
		case n.is("elasticsearch-datastream"):
			if len(name) == 3 && !slices.ContainsFunc(name, func(part string) bool { return !convert.IsIndex(part) }) {
				o.Set("data_stream", convert.Inline{{Key: "type", Value: name[0]}, {Key: "dataset", Value: name[1]}, {Key: "namespace", Value: name[2]}})
			} else if stream != "" {
				t.lose(st, "the data stream %q: its name has three parts here, as logs-syslog-default", stream)
			}
		case strings.Contains(index, "$"):
			t.lose(st, "index(%q): the name of an index may have a date, as name-%%Y.%%m.%%d; or let the fields of documents tell them apart", option(n.args, "index"))
		case index != "" && !allowed:
			t.lose(st, "index(%q): no index can have this name", index)
		case index != "":
			o.Set("mode", "index")
			o.Set("index", index)
		}
		switch user, password := option(n.args, "user"), option(n.args, "password"); {
		case user != "" && password != "":
			o.Set("username", user)
			o.Set("password", password)
		case user != "" || password != "":
			t.lose(st, "user() and password() belong together here; until both are given the output shows no user")
		}
		if ca := option(n.args, "ca-file"); ca != "" {
			o.Set("tls", convert.Inline{{Key: "ca_file", Value: ca}})
		} else if tls := t.clientTLS(st, find(n.args, "tls")); len(tls) > 0 {
			o.Set("tls", tls)
		}
	})
	out.Comment("documents have the fields of the Elastic Common Schema")
	if option(n.args, "user") != "" && option(n.args, "password") != "" {
		out.Comment("password = \"file:PATH\" keeps it out of this file")
	}
	return []string{out.Name}
}

// indexName translates the date in the name of an index. allowed says that an index can
// have that name.
func indexName(name string) (pattern string, allowed bool) {
	pattern = strings.NewReplacer("${YEAR}", "%Y", "${MONTH}", "%m", "${DAY}", "%d", "$YEAR", "%Y", "$MONTH", "%m", "$DAY", "%d").Replace(name)
	dated := strings.NewReplacer("%Y", "0", "%m", "0", "%d", "0").Replace(pattern)
	return pattern, convert.IsIndex(dated) && !strings.Contains(name, "%")
}
