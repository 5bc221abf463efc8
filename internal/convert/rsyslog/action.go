package rsyslog

import (
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// action translates an action() object.
func (t *translator) action(st *statement, when convert.Cond) {
	p := st.params
	t.queueSize(p)
	kind := strings.ToLower(strings.TrimPrefix(p.text("type"), "builtin:"))
	failover := p.on("action.execonlywhenpreviousissuspended")
	before := t.before
	t.before = nil
	switch kind {
	case "omfwd", "omrelp", "omfile", "omelasticsearch":
		t.unknownParams(st, actionParams)
	}
	switch kind {
	case "omfwd":
		t.forward(st, when, forward{
			targets: p["target"], port: p.text("port"), udp: !strings.EqualFold(p.text("protocol"), "tcp"),
			template: p.text("template"), octets: strings.EqualFold(p.text("tcp_framing"), "octet-counted"),
			tls: p.number("streamdrivermode") > 0, auth: p.text("streamdriverauthmode"), peers: p["streamdriverpermittedpeers"],
			files:    certificates{p.text("streamdriver.cafile"), p.text("streamdriver.certfile"), p.text("streamdriver.keyfile")},
			failover: failover, before: before,
		})
		if p.text("compression.mode") != "" && !strings.EqualFold(p.text("compression.mode"), "none") || p.number("ziplevel") > 0 {
			t.lose(st, "compression to syslog servers; the link between two Syslanes compresses: type = \"relp\"")
		}
	case "omrelp":
		t.relp(st, when, p, failover, before)
	case "omfile":
		if failover {
			t.standsIn(st)
			return
		}
		path, dynamic := p.text("file"), p.text("dynafile")
		t.write(st, when, path, dynamic, or(p.text("template"), t.legacy.fileTemplate))
	case "omelasticsearch":
		if failover {
			t.standsIn(st)
			return
		}
		t.elasticsearch(st, when)
	case "omusrmsg":
		t.lose(st, "Syslane writes to nobody's terminal: syslane tail shows messages as they come")
	case "omstdout", "omprog", "ommail", "ommysql", "ompgsql", "omlibdbi", "omsnmp", "omkafka", "ommongodb", "omhttp", "omgssapi", "omuxsock", "ompipe", "omjournal", "omhiredis", "omamqp1", "omczmq":
		t.lose(st, "there is no output of this kind")
	case "mmjsonparse":
		t.lose(st, "extract = [\"json\"] of an [[input]] takes fields out of JSON")
	case "mmanon":
		t.lose(st, "see redact of [[transform]] in docs/RULES.md")
	default:
		t.lose(st, "the action %s has no counterpart", kind)
	}
}

// send adds a rule to an output.
func (t *translator) send(st *statement, when convert.Cond, out *convert.Table) {
	t.before = out
	t.rule(rule{Rule: convert.Rule{Place: st.at, When: when, To: []string{out.Name}}})
}

// forward is what omfwd is told, in either form.
type forward struct {
	targets  []string
	port     string
	udp      bool
	template string
	octets   bool // octet counting
	tls      bool
	auth     string
	peers    []string
	files    certificates
	failover bool
	before   *convert.Table // the output of the action before
}

func (t *translator) forward(st *statement, when convert.Cond, f forward) {
	targets := addresses(f.targets, or(f.port, "514"))
	if len(targets) == 0 {
		t.lose(st, "it names no target")
		return
	}
	if !validTargets(targets) {
		t.lose(st, "a target that is no host and port, such as a name of /etc/services")
		return
	}
	protocol := "tcp"
	switch {
	case f.udp:
		protocol = "udp"
	case f.tls:
		protocol = "tls"
	}
	format, comment := forwardFormat(or(f.template, t.legacy.forwardTemplate))
	framing := "octet-counting"
	if !f.octets {
		framing = "lf"
	}
	fill := func(o *convert.Table) {
		o.Set("targets", targets)
		o.Set("protocol", protocol)
		o.Set("format", format)
		if protocol == "tcp" { // TLS always counts octets, which imtcp takes as well
			o.Set("framing", framing)
		}
		if protocol == "tls" {
			o.Set("tls", t.clientTLS(st, f.files.or(t), f.auth, f.peers))
		}
	}
	if f.failover {
		t.joins(st, f.before, "syslog", targets, fill)
		return
	}
	out := t.draft.Output(st.at, "syslog", hostOf(targets[0]), fill)
	if comment != "" {
		out.Comment("%s", comment)
	}
	if f.tls && (f.auth == "" || strings.EqualFold(f.auth, "anon")) {
		out.Comment("StreamDriverAuthMode \"anon\" asked the server for nothing; here its certificate is verified")
	}
	t.send(st, when, out)
}

// standsIn notes that an action is done only where the one before cannot be. To do it
// always would be no translation.
func (t *translator) standsIn(st *statement) {
	t.lose(st, "it stands in for the action before where that fails: only targets do so, for targets of the same kind. What an output does not take waits in the log")
}

// joins adds targets to those of the action before, which they are to stand in for.
func (t *translator) joins(st *statement, before *convert.Table, kind string, targets []string, fill func(*convert.Table)) {
	if before == nil || before.Kind() != kind {
		t.standsIn(st)
		return
	}
	t.before = before
	like := &convert.Table{}
	fill(like)
	for _, key := range []string{"protocol", "format", "framing", "tls"} {
		if !reflect.DeepEqual(like.Get(key), before.Get(key)) {
			t.lose(st, "it stands in for the action before, which sends in another way: targets and mode = \"failover\" are of one kind")
			return
		}
	}
	have, _ := before.Get("targets").([]string)
	for _, target := range targets {
		if !slices.Contains(have, target) {
			have = append(slices.Clone(have), target)
		}
	}
	before.Set("targets", have)
	before.Set("mode", "failover")
	before.Comment("%s stands in for it", st.at)
}

// forwardFormat translates the name of a template for forwarding.
func forwardFormat(template string) (format, comment string) {
	switch template {
	case "RSYSLOG_SyslogProtocol23Format":
		return "rfc5424", ""
	case "", "RSYSLOG_TraditionalForwardFormat":
		return "rfc3164", ""
	case "RSYSLOG_ForwardFormat":
		return "rfc3164", "RSYSLOG_ForwardFormat had the full time; \"rfc5424\" has it too, \"auto\" leaves messages as they are"
	}
	return "rfc5424", "the template " + template + " is not translated: messages go in the form of RFC 5424"
}

func (t *translator) relp(st *statement, when convert.Cond, p params, failover bool, before *convert.Table) {
	targets := addresses(p["target"], or(p.text("port"), "514"))
	if len(targets) == 0 || !validTargets(targets) {
		t.lose(st, "it names no target with a port")
		return
	}
	fill := func(o *convert.Table) {
		o.Set("targets", targets)
		if n := p.number("windowsize"); n > 0 && n <= 1000 {
			o.Set("window", n)
		}
		if p.on("tls") {
			o.Set("tls", t.clientTLS(st, certificates{p.text("tls.cacert"), p.text("tls.mycert"), p.text("tls.myprivkey")}, p.text("tls.authmode"), p["tls.permittedpeer"]))
		}
	}
	if failover {
		t.joins(st, before, "relp", targets, fill)
		return
	}
	t.send(st, when, t.draft.Output(st.at, "relp", hostOf(targets[0]), fill))
}

// clientTLS makes the tls table of an output.
func (t *translator) clientTLS(st *statement, files certificates, auth string, peers []string) convert.Inline {
	out := convert.Inline{}
	for _, f := range []convert.Pair{{Key: "cert_file", Value: files.cert}, {Key: "key_file", Value: files.key}, {Key: "ca_file", Value: files.ca}} {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	if names, _ := t.peers(st, auth, peers); len(names) > 0 {
		out = append(out, convert.Pair{Key: "permitted_peers", Value: names})
	}
	return out
}

func (t *translator) elasticsearch(st *statement, when convert.Cond) {
	p := st.params
	scheme, port := "http", or(p.text("serverport"), "9200")
	if p.on("usehttps") {
		scheme = "https"
	}
	servers := p["server"]
	if len(servers) == 0 {
		servers = []string{"localhost"}
	}
	if p.text("uid") == "" && p.text("pwd") != "" {
		t.lose(st, "pwd without uid: rsyslogd takes no such action either")
		return
	}
	var hosts []string
	for _, s := range servers {
		if !strings.Contains(s, "://") {
			s = scheme + "://" + s
		}
		host := s[strings.Index(s, "://")+3:]
		if _, _, err := net.SplitHostPort(host); err != nil {
			s += ":" + port
		}
		if !convert.IsNode(s) {
			t.lose(st, "server=%q is no address of a server", s)
			return
		}
		hosts = append(hosts, s)
	}
	out := t.draft.Output(st.at, "elasticsearch", "elasticsearch", func(o *convert.Table) {
		o.Set("hosts", hosts)
		switch {
		case p.text("pwd") != "":
			o.Set("username", p.text("uid"))
			o.Set("password", p.text("pwd"))
		case p.text("uid") != "":
			t.lose(st, "uid without pwd: a user has a password here; until one is given the output shows no user")
		}
		switch index := p.text("searchindex"); {
		case index == "" || p.on("dynsearchindex"):
		case !convert.IsIndex(index) || strings.Contains(index, "%"):
			t.lose(st, "searchIndex=%q: no index can have this name", index)
		default:
			o.Set("mode", "index")
			o.Set("index", index)
		}
		if p.text("tls.cacert") != "" {
			o.Set("tls", convert.Inline{{Key: "ca_file", Value: p.text("tls.cacert")}})
		}
	})
	if p.on("dynsearchindex") {
		out.Comment("dynSearchIndex is not translated: documents go to the data stream logs-syslog-default; or mode = \"index\", index = \"name-%%Y.%%m.%%d\"")
	}
	if p.text("template") != "" {
		out.Comment("documents have the fields of the Elastic Common Schema, not those of the template %s", p.text("template"))
	}
	if p.text("pwd") != "" {
		out.Comment("password = \"file:PATH\" keeps it out of this file")
	}
	t.send(st, when, out)
}

// addresses adds the port to targets that have none.
func addresses(targets []string, port string) (list []string) {
	for _, target := range targets {
		if target = strings.TrimSpace(target); target == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(target); err != nil {
			target = net.JoinHostPort(strings.Trim(target, "[]"), port)
		}
		list = append(list, target)
	}
	return list
}

func validTargets(targets []string) bool {
	for _, target := range targets {
		host, port, err := net.SplitHostPort(target)
		if err != nil || host == "" || !isPort(port) || strings.ContainsAny(host, " \t/;,%\"'$(){}") {
			return false
		}
	}
	return true
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}
