// Package agent makes the configurations by which the syslog daemons of hosts send to
// a relay, and installs them.
//
// etc/rsyslog, etc/syslog-ng and etc/journald hold what it makes for
// relay.example.net.
package agent

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The programs that there are configurations for.
const (
	Rsyslog  = "rsyslog"
	SyslogNG = "syslog-ng"
	Journald = "journald"
)

// Programs are all of them.
var Programs = []string{Rsyslog, SyslogNG, Journald}

// The protocols that rsyslog can be told to speak.
const (
	RELP = "relp"
	TCP  = "tcp"
)

// Options say where messages go, and how.
type Options struct {
	// Relay is the host name or address of the relay.
	Relay string
	// Port is where it listens; 0 for what relays are shipped with: RELP 2515, TCP
	// 5515, TLS 6514, journal 19532.
	Port int
	// Protocol is RELP (default) or TCP; rsyslog only.
	Protocol string
	// CA makes it TLS: the file with the certificates that the relay is verified by.
	CA string
	// Cert and Key are the files by which this host shows who it is.
	Cert, Key string
	// Source names the source of syslog-ng whose messages are sent. Default "s_src",
	// as Debian has it.
	Source string
	// MaxDisk bounds the queue on this host's disk in octets. Default 1 GiB.
	MaxDisk int64
}

// Marker is the beginning of every configuration made here, by which it is known
// again.
const Marker = "# Made by \"syslane setup"

// File is one file of a configuration.
type File struct {
	// Path is where the program looks for it.
	Path, Text string
}

// Files returns the configuration for a program: its own file first, then, of
// journald, what its unit needs.
func Files(program string, o Options) ([]File, error) {
	if err := o.setDefaults(program); err != nil {
		return nil, err
	}
	switch program {
	case Rsyslog:
		text := o.rsyslogRELP()
		if o.Protocol == TCP {
			text = o.rsyslogTCP()
		}
		return []File{{"/etc/rsyslog.d/50-syslane.conf", text}}, nil
	case SyslogNG:
		return []File{{"/etc/syslog-ng/conf.d/50-syslane.conf", o.syslogNG()}}, nil
	default:
		return []File{
			{"/etc/systemd/journal-upload.conf.d/50-syslane.conf", o.journald()},
			{"/etc/systemd/system/systemd-journal-upload.service.d/50-syslane.conf", uploadUnit},
		}, nil
	}
}

func (o *Options) setDefaults(program string) error {
	if !slices.Contains(Programs, program) {
		return fmt.Errorf("no program %q; there are %s", program, strings.Join(Programs, ", "))
	}
	if o.Relay == "" {
		return errors.New("name the relay: --relay relay.example.net")
	}
	if net.ParseIP(o.Relay) == nil && !hostName(o.Relay) {
		return fmt.Errorf("--relay %q is neither a host name nor an address; the port is --port", o.Relay)
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("--port %d: want 1 to 65535", o.Port)
	}
	switch o.Protocol {
	case "":
		o.Protocol = RELP
	case RELP, TCP:
		if program != Rsyslog {
			return fmt.Errorf("--protocol is for rsyslog; %s has one way only", program)
		}
	default:
		return fmt.Errorf("--protocol %q: want %q or %q", o.Protocol, RELP, TCP)
	}
	if (o.Cert == "") != (o.Key == "") {
		return errors.New("--cert and --key go together")
	}
	if o.Cert != "" && o.CA == "" {
		return errors.New("--cert needs --ca: by what the relay is verified")
	}
	if program == Journald && o.CA != "" && o.Cert == "" {
		return errors.New("systemd-journal-upload needs --cert and --key with --ca")
	}
	for _, f := range []string{o.CA, o.Cert, o.Key} {
		if f != "" && (!filepath.IsAbs(f) || strings.ContainsAny(f, "\"\\\n$`")) {
			return fmt.Errorf("%q: files of certificates are named by an absolute path without quotes", f)
		}
	}
	if o.Port == 0 {
		switch {
		case program == Journald:
			o.Port = 19532
		case program == Rsyslog && o.Protocol == RELP:
			o.Port = 2515
		case o.CA != "":
			o.Port = 6514
		default:
			o.Port = 5515
		}
	}
	if o.Source == "" {
		o.Source = "s_src"
	}
	if !hostName(o.Source) {
		return fmt.Errorf("--source %q is no name of a source", o.Source)
	}
	if o.MaxDisk == 0 {
		o.MaxDisk = 1 << 30
	}
	if o.MaxDisk < 16<<20 {
		return errors.New("--max-disk: at least 16MiB")
	}
	return nil
}

// hostName tells whether a text may stand in a configuration as a name.
func hostName(s string) bool {
	return s != "" && len(s) <= 253 && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// head is the comment at the beginning, with what else there is to do.
func (o *Options) head(program string, lines ...string) string {
	return fmt.Sprintf("%s %s\": sends everything to the relay %s.\n# %s\n", Marker, program, o.Relay, strings.Join(lines, "\n# "))
}

// queue are the parameters of a queue in memory that goes to disk when the relay is
// away, and when rsyslogd ends.
func (o *Options) queue() string {
	return fmt.Sprintf(`    queue.type="linkedList" queue.filename="syslane" queue.size="100000" queue.dequeueBatchSize="1000"
    queue.maxDiskSpace="%d" queue.maxFileSize="64m" queue.saveOnShutdown="on"
    action.resumeRetryCount="-1" action.resumeInterval="5"`, o.MaxDisk)
}

// durability says what the queue does not do.
const durability = `The queue is in memory, and on disk while the relay is away: what it holds survives
# a restart of rsyslogd, but not its kill. For that, and at a hundredth of the speed:
#   queue.type="disk" queue.checkpointInterval="1" queue.syncQueueFiles="on"`

func (o *Options) rsyslogRELP() string {
	tls := ""
	if o.CA != "" {
		tls = fmt.Sprintf("    tls=\"on\" tls.caCert=%q tls.authMode=\"name\" tls.permittedPeer=%q\n", o.CA, o.Relay)
		if o.Cert != "" {
			tls += fmt.Sprintf("    tls.myCert=%q tls.myPrivKey=%q\n", o.Cert, o.Key)
		}
	}
	return o.head(Rsyslog, "RELP: the relay acknowledges what it has on disk. Needs the package rsyslog-relp.", durability) + fmt.Sprintf(`
module(load="omrelp")

action(type="omrelp" name="syslane" target=%q port="%d" timeout="30"
    template="RSYSLOG_SyslogProtocol23Format"
%s%s)
`, o.Relay, o.Port, tls, o.queue())
}

func (o *Options) rsyslogTCP() string {
	tls, global, needs := "", "", "TCP: what is on its way when a connection breaks is lost; RELP does not."
	if o.CA != "" {
		// The driver ossl of 8.2302 may read from a descriptor that it has closed, and
		// stand still for good, when a connection breaks.
		needs += "\n# Needs the package rsyslog-gnutls."
		global = fmt.Sprintf("global(DefaultNetstreamDriverCAFile=%q", o.CA)
		if o.Cert != "" {
			global += fmt.Sprintf("\n    DefaultNetstreamDriverCertFile=%q DefaultNetstreamDriverKeyFile=%q", o.Cert, o.Key)
		}
		global += ")\n\n"
		tls = fmt.Sprintf("    StreamDriver=\"gtls\" StreamDriverMode=\"1\" StreamDriverAuthMode=\"x509/name\" StreamDriverPermittedPeers=%q\n", o.Relay)
	}
	return o.head(Rsyslog, needs, durability) + fmt.Sprintf(`
%saction(type="omfwd" name="syslane" target=%q port="%d" protocol="tcp" TCP_Framing="octet-counted"
    template="RSYSLOG_SyslogProtocol23Format"
%s%s)
`, global, o.Relay, o.Port, tls, o.queue())
}

func (o *Options) syslogNG() string {
	transport, tls := "tcp", ""
	if o.CA != "" {
		transport = "tls"
		tls = fmt.Sprintf("        tls(ca-file(%q)", o.CA)
		if o.Cert != "" {
			tls += fmt.Sprintf(" cert-file(%q) key-file(%q)", o.Cert, o.Key)
		}
		tls += " peer-verify(required-trusted))\n"
	}
	return o.head(SyslogNG, "The queue is on disk and survives syslog-ng, but it is not synced: not a power failure.",
		"Its messages are those of the source "+o.Source+".") + fmt.Sprintf(`
destination d_syslane {
    syslog(%q port(%d) transport(%q)
%s        disk-buffer(reliable(yes) disk-buf-size(%d) mem-buf-size(10000000))
        persist-name("syslane")
    );
};

log { source(%s); destination(d_syslane); flags(flow-control); };
`, o.Relay, o.Port, transport, tls, o.MaxDisk, o.Source)
}

func (o *Options) journald() string {
	scheme, tls := "http", ""
	if o.CA != "" {
		scheme = "https"
		tls = fmt.Sprintf("TrustedCertificateFile=%s\nServerCertificateFile=%s\nServerKeyFile=%s\n", o.CA, o.Cert, o.Key)
	}
	return o.head(Journald, "Needs the package systemd-journal-remote, and on the relay an [[input]] of the type journal.",
		"The journal is the queue: it says how long the relay may be away (journald.conf).",
		"Then: systemctl daemon-reload; systemctl enable systemd-journal-upload; systemctl restart systemd-journal-upload") + fmt.Sprintf(`
[Upload]
URL=%s://%s
%s`, scheme, net.JoinHostPort(o.Relay, strconv.Itoa(o.Port)), tls)
}

// uploadUnit has systemd keep systemd-journal-upload running.
const uploadUnit = Marker + ` journald": keeps the upload running, whatever becomes of the relay.

[Unit]
# It ends whenever the relay does not answer, and as shipped is started five times
# within a second and then never again.
StartLimitIntervalSec=0

[Service]
Restart=on-failure
RestartSec=2s
# It waits for an answer without end, also from a relay that has vanished meanwhile.
WatchdogSec=20s
WatchdogSignal=SIGKILL
`
