package rsyslog

import (
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/convert"
)

// object translates an object.
func (t *translator) object(st *statement, when convert.Cond) {
	p := st.params
	switch st.name {
	case "module":
		t.module(st, p.text("load"))
	case "input":
		t.input(st)
	case "action":
		t.action(st, when)
	case "ruleset":
		before := t.current
		t.current = t.ruleset(p.text("name"))
		t.statements(st.body, convert.Cond{})
		t.current = before
		t.queueSize(p)
		if kind := p.text("queue.type"); kind != "" && !strings.EqualFold(kind, "direct") {
			t.ruleset(p.text("name")).queued = true
		}
	case "template":
		t.templates[p.text("name")] = p.text("string")
	case "global":
		for key, v := range p {
			t.global[key] = v
		}
		t.spare(st, "certificates are named by each tls table; the rest is rsyslogd's own")
	case "main_queue":
		t.queueSize(p)
		t.spare(st, "the log is the queue: [log] max_size bounds it")
	case "include":
		if p.text("file") != "" {
			t.include(st, p.text("file"), when)
			return
		}
		t.lose(st, "only include(file=\"…\") is read")
	case "timezone":
		t.lose(st, "an [[input]] has time_zone and time_zones, with names as \"Europe/Zurich\"")
	case "ratelimit":
		t.lose(st, "see [[limit]] in docs/RULES.md")
	case "dyn_stats", "percentile_stats":
		t.spare(st, "/metrics counts by input and output; syslane search counts by any field")
	case "parser":
		t.spare(st, "RFC 5424, RFC 3164 and the forms of devices are told apart without it")
	case "lookup_table":
		t.lose(st, "look-up tables have no counterpart")
	default: // property and constant, of templates
	}
}

// needless are the modules that there is nothing to load for.
var needlessModules = map[string]string{
	"imudp": "", "imtcp": "", "imptcp": "", "imrelp": "", "omrelp": "", "omfwd": "", "omfile": "", "imfile": "", "omelasticsearch": "",
	"builtin:omfile": "", "builtin:omfwd": "", "lmnsd_gtls": "", "lmnsd_ossl": "", "lmtcpsrv": "", "lmnet": "",
	"immark":       "/healthz and /metrics tell that it lives; there are no mark messages",
	"impstats":     "/metrics has the numbers (docs/METRICS.md)",
	"mmpstrucdata": "structured data is taken apart without it",
	"pmrfc3164":    "", "pmrfc5424": "", "pmciscoios": "the forms of Cisco's devices are known without it",
	"mmutf8fix": "octets that are no UTF-8 are kept and flagged; see charset of an [[input]]",
}

func (t *translator) module(st *statement, name string) {
	name = strings.ToLower(strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".so"))
	p := st.params
	switch name {
	case "imuxsock":
		if p.text("syssock.use") != "" && !p.on("syssock.use") {
			t.spare(st, "with SysSock.Use off it only opens the sockets that inputs name")
			return
		}
		path := p.text("syssock.name")
		if path == "" {
			path = journalSocket
		}
		in := t.socket(st, path)
		if path == journalSocket {
			in.Comment("Where no journald runs: path = \"/dev/log\"")
		}
		t.local = in
		return
	case "imjournal":
		in := t.draft.Input(st.at, "journal", "journal")
		in.Set("listen", "127.0.0.1:19532")
		in.Comment("systemd-journal-upload brings the journal: \"syslane setup journald --relay 127.0.0.1\" has its settings")
		return
	case "imklog":
		t.kernel = st
		return
	}
	why, known := needlessModules[name]
	switch {
	case !known:
		t.lose(st, "the module %s has no counterpart", name)
		return
	case why == "":
		why = "it is built in"
	}
	t.spare(st, "%s", why)
	if name == "imtcp" && p.text("streamdriver.mode") != "" {
		t.legacy.inputMode, t.legacy.inputAuth, t.legacy.inputPeers = p.text("streamdriver.mode"), p.text("streamdriver.authmode"), p["permittedpeer"]
	}
}

// journalSocket is where journald passes messages on to a syslog daemon.
const journalSocket = "/run/systemd/journal/syslog"

// queueSize takes over the bound of a disk queue.
func (t *translator) queueSize(p params) {
	t.atLeast(p.text("queue.maxdiskspace"))
}

// atLeast lets the log be as large as a queue was.
func (t *translator) atLeast(text string) {
	size := octets(text)
	t.draft.LogSize = max(t.draft.LogSize, size)
}

// octets reads a size as rsyslog has them: k, m, g are powers of 1024, K, M, G of 1000.
func octets(text string) int64 {
	if text == "" {
		return 0
	}
	unit := int64(1)
	switch text[len(text)-1] {
	case 'k':
		unit = 1 << 10
	case 'm':
		unit = 1 << 20
	case 'g':
		unit = 1 << 30
	case 't':
		unit = 1 << 40
	case 'K':
		unit = 1000
	case 'M':
		unit = 1000_000
	case 'G':
		unit = 1000_000_000
	case 'T':
		unit = 1000_000_000_000
	}
	if unit > 1 {
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > (1<<50)/unit {
		return 0
	}
	return n * unit
}

// size is octets for a key of the configuration.
func size(text string) config.Size { return config.Size(octets(text)) }
