package rsyslog

import (
	"net"
	"strings"

	"github.com/syslane/syslane/internal/convert"
)

// legacySettings are what $directives have set for what comes behind them.
type legacySettings struct {
	udpAddress                    string
	udpRuleset, tcpRuleset        string
	relpRuleset, fileRuleset      string
	inputMode, inputAuth          string
	inputPeers                    []string
	fileName, fileTag             string
	fileFacility, fileSeverity    string
	sendMode, sendAuth            string
	sendPeers                     []string
	standIn                       bool
	forwardTemplate, fileTemplate string
}

// directive translates a $directive.
func (t *translator) directive(st *statement, when convert.Cond) {
	l := &t.legacy
	v := strings.Trim(st.value, `"`)
	switch name := strings.ToLower(st.name); name {
	case "modload":
		st.params = params{}
		t.module(st, v)
	case "includeconfig":
		t.include(st, v, when)
	case "template":
		name, text, _ := strings.Cut(st.value, ",")
		text = strings.TrimSpace(text)
		if _, inner, ok := strings.Cut(text, `"`); ok {
			text, _, _ = strings.Cut(inner, `"`)
		}
		t.templates[strings.TrimSpace(name)] = text
	case "udpserveraddress":
		l.udpAddress = v
	case "inputudpserverbindruleset":
		l.udpRuleset = v
	case "udpserverrun":
		t.listen(st, "udp", l.udpAddress, v, l.udpRuleset)
	case "inputtcpserverstreamdrivermode":
		l.inputMode = v
	case "inputtcpserverstreamdriverauthmode":
		l.inputAuth = v
	case "inputtcpserverstreamdriverpermittedpeer":
		l.inputPeers = append(l.inputPeers, v)
	case "inputtcpserverbindruleset", "inputptcpserverbindruleset":
		l.tcpRuleset = v
	case "inputptcpserverrun": // it knows no TLS
		t.listenTCP(st, "", v, l.tcpRuleset, "", "", nil, certificates{})
	case "inputtcpserverrun":
		t.listenTCP(st, "", v, l.tcpRuleset, l.inputMode, l.inputAuth, l.inputPeers, certificates{})
	case "inputrelpserverbindruleset":
		l.relpRuleset = v
	case "inputrelpserverrun":
		t.listen(st, "relp", "", v, l.relpRuleset)
	case "addunixlistensocket":
		t.socket(st, v)
	case "inputfilename":
		l.fileName = v
	case "inputfiletag":
		l.fileTag = v
	case "inputfilefacility":
		l.fileFacility = v
	case "inputfileseverity":
		l.fileSeverity = v
	case "inputfilebindruleset":
		l.fileRuleset = v
	case "inputrunfilemonitor":
		t.follow(st, []string{l.fileName}, l.fileTag, l.fileFacility, l.fileSeverity, l.fileRuleset)
		l.fileName, l.fileTag, l.fileFacility, l.fileSeverity = "", "", "", ""
	case "ruleset":
		t.current = t.ruleset(v)
	case "defaultruleset":
		t.fallback = t.ruleset(v)
	case "defaultnetstreamdrivercafile", "defaultnetstreamdrivercertfile", "defaultnetstreamdriverkeyfile":
		t.global[name] = []string{v}
	case "actionsendstreamdrivermode":
		l.sendMode = v
	case "actionsendstreamdriverauthmode":
		l.sendAuth = v
	case "actionsendstreamdriverpermittedpeer":
		l.sendPeers = append(l.sendPeers, v)
	case "actionexeconlywhenpreviousissuspended":
		l.standIn = isOn(v)
	case "actionforwarddefaulttemplate":
		l.forwardTemplate = v
	case "actionfiledefaulttemplate":
		l.fileTemplate = v
	case "actionqueuemaxdiskspace", "mainmsgqueuemaxdiskspace":
		t.atLeast(v)
		t.spare(st, "the log is the queue: [log] max_size bounds it")
	case "rulesetcreatemainqueue":
		t.current.queued = isOn(v)
		t.spare(st, "the log is the queue")
	case "maxmessagesize":
		t.global[name] = []string{v}
		t.spare(st, "max_message_size of an [[input]]; 64KiB without it")
	case "inputfilereadmode":
		if v != "0" {
			t.lose(st, "each line of a file is a message here")
			return
		}
		t.spare(st, "each line of a file is a message")
	case "omitlocallogging":
		if isOn(v) && t.local != nil {
			t.draft.Remove(t.local)
		}
		t.spare(st, "with it on only the sockets that $AddUnixListenSocket names are opened")
	case "repeatedmsgreduction":
		if isOn(v) {
			t.lose(st, "[dedupe] window = \"10s\" stores repeats as one event with their count (docs/RULES.md)")
		}
	case "allowedsender":
		t.lose(st, "routes drop what comes from elsewhere: match = 'not cidr(source, \"10.0.0.0/8\")', drop = true; better is the firewall")
	case "outchannel":
		t.lose(st, "max_size and keep of a file output rotate files")
	default:
		t.otherDirective(st, name)
	}
}

// needlessDirectives are those that there is nothing to say about, by how their names
// begin, and why; "" where they concern rsyslogd alone.
var needlessDirectives = map[string]string{
	"actionqueue":   "the log is the queue, on disk and synced before anything is acknowledged",
	"mainmsgqueue":  "the log is the queue, on disk and synced before anything is acknowledged",
	"actionresume":  "an output tries until messages are taken; retry_min and retry_max bound the pauses",
	"actionname":    "names are those of outputs",
	"workdirectory": "state = \"DIR\" is the folder of the log", "statefile": "places in files are kept in the log",
	"inputfilestatefile": "places in files are kept in the log", "inputfilepollinterval": "inotify tells of changes; scan_interval is how often else is looked",
	"inputfilepersiststateinterval": "places in files are kept in the log",
	"fileowner":                     "files belong to the user that Syslane runs as", "filegroup": "files belong to the user that Syslane runs as",
	"filecreatemode": "files get 0640, folders 0750", "dircreatemode": "files get 0640, folders 0750", "dirowner": "files belong to the user that Syslane runs as",
	"dirgroup": "files belong to the user that Syslane runs as", "umask": "the unit sets it", "createdirs": "folders are made",
	"privdrop":     "the unit runs Syslane as a user of its own",
	"preservefqdn": "names are kept as they come", "maxopenfiles": "the unit sets it", "localhostname": "the machine's name is asked for",
	"escapecontrolcharacters": "octets are kept as they come, and made harmless where they are shown", "escape8bit": "octets are kept as they come",
	"controlcharacterescapeprefix": "octets are kept as they come", "dropmsgswithmaliciousdnsptrrecords": "no names are looked up",
	"systemlogratelimit": "[[limit]] does it (docs/RULES.md)", "imuxsockratelimit": "[[limit]] does it (docs/RULES.md)", "imjournal": "systemd-journal-upload keeps the place in the journal",
	"klog": "journald has the kernel's messages", "markmessageperiod": "there are no mark messages",
	"defaultnetstreamdriver": "TLS is built in", "actionsendstreamdriver": "TLS is built in", "gnutlspriority": "min_version = \"1.3\" where 1.2 is too old",
	"inputtcpmaxsessions": "max_connections of an [[input]]", "inputtcp": "", "inputudp": "", "udpserver": "", "optimizeforuniprocessor": "",
	"actionfile": "each batch is synced before it counts as written", "omfile": "", "actionwriteallmarkmessages": "", "hupisrestart": "",
	"abortonuncleanconfig": "a configuration with an error never starts", "dynafilecachesize": "", "actionexeconlyonceeveryinterval": "see [[limit]]",
	"resetconfigvariables": "", "debug": "", "syslogfacility": "", "bomacceptcharset": "", "systemlogsocketname": "", "systemlog": "", "logrsyslogstatusmessages": "",
	"sleep": "", "failonchownfailure": "", "modloaddir": "", "moddir": "", "spacelfonreceive": "", "strictspace": "", "generateconfiggraph": "",
}

func (t *translator) otherDirective(st *statement, name string) {
	longest := ""
	for prefix := range needlessDirectives {
		if len(prefix) > len(longest) && strings.HasPrefix(name, prefix) {
			longest = prefix
		}
	}
	if longest != "" {
		t.spare(st, "%s", or(needlessDirectives[longest], "it is rsyslogd's own"))
		return
	}
	t.lose(st, "a directive that is not known here")
}

// legacyAction translates an action in the old form.
func (t *translator) legacyAction(st *statement, when convert.Cond) {
	text := st.value
	path, template := cutTemplate(text)
	before := t.before
	t.before = nil
	switch {
	case text == "" || text == "continue":
		t.lose(st, "a filter without an action")
	case strings.HasPrefix(text, "@"):
		t.legacyForward(st, when, text, before)
	case t.legacy.standIn && strings.IndexByte("/-?", text[0]) >= 0:
		t.standsIn(st)
	case strings.HasPrefix(text, "/") || strings.HasPrefix(text, "-/"):
		t.write(st, when, strings.TrimPrefix(path, "-"), "", or(template, t.legacy.fileTemplate))
	case strings.HasPrefix(text, "?") || strings.HasPrefix(text, "-?"):
		t.write(st, when, "", strings.TrimPrefix(strings.TrimPrefix(path, "-"), "?"), or(template, t.legacy.fileTemplate))
	case strings.HasPrefix(text, ":omrelp:"):
		target, template := cutTemplate(strings.TrimPrefix(text, ":omrelp:"))
		_ = template // RELP carries messages as they are here
		host, port, err := net.SplitHostPort(target)
		if err != nil {
			host, port = target, "514"
		}
		t.relp(st, when, params{"target": {host}, "port": {port}}, t.legacy.standIn, before)
	case strings.HasPrefix(text, ":omfile:$"), strings.HasPrefix(text, "$"):
		t.lose(st, "output channels: max_size and keep of a file output rotate files")
	case strings.HasPrefix(text, "|"), strings.HasPrefix(text, "^"):
		t.lose(st, "Syslane runs no programs and writes no pipes")
	case strings.HasPrefix(text, ":omusrmsg:"), strings.HasPrefix(text, "*"):
		t.lose(st, "Syslane writes to nobody's terminal: syslane tail shows messages as they come")
	default:
		t.lose(st, "an action that has no counterpart")
	}
}

// cutTemplate cuts off the template that an old action may name.
func cutTemplate(text string) (action, template string) {
	action, template, _ = strings.Cut(text, ";")
	return strings.TrimSpace(action), strings.TrimSpace(template)
}

// legacyForward translates @host, @@host:port;template and @@(o,z9)[::1]:514.
func (t *translator) legacyForward(st *statement, when convert.Cond, text string, before *convert.Table) {
	f := forward{udp: true, failover: t.legacy.standIn, before: before}
	text, tcp := strings.CutPrefix(strings.TrimPrefix(text, "@"), "@")
	f.udp = !tcp
	if rest, ok := strings.CutPrefix(text, "("); ok {
		options, behind, _ := strings.Cut(rest, ")")
		text = behind
		for o := range strings.SplitSeq(options, ",") {
			switch o = strings.TrimSpace(o); {
			case o == "o":
				f.octets = true
			case strings.HasPrefix(o, "z"):
				t.lose(st, "compression (z) to syslog servers; the link between two Syslanes compresses: type = \"relp\"")
			}
		}
	}
	target, template := cutTemplate(text)
	f.template = template
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), "514"
	}
	f.targets, f.port = []string{host}, port
	f.tls, f.auth, f.peers = t.legacy.sendMode == "1", t.legacy.sendAuth, t.legacy.sendPeers
	if tcp { // they are those of the next action alone
		t.legacy.sendPeers = nil
	}
	t.forward(st, when, f)
}
