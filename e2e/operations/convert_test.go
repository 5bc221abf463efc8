package operations

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// moving is a configuration that is run by its own program, and by Syslane when it
// has been converted. In text {DIR} is a folder of its own for files, {TCP}, {UDP}
// ports that messages are sent to, {HOST}:{FWD} a TCP receiver and {UFWD} one of UDP,
// {TICK} a backtick.
type moving struct {
	name, program, text string
	// udp sends the messages that way too, to the same number.
	udp bool
	// programs are those of the messages, where they are others than usual.
	programs []string
}

var movings = []moving{
	{"selectors of old", "rsyslog", `
$ModLoad imtcp
$InputTCPServerRun {TCP}
$WorkDirectory {DIR}
auth,authpriv.*                 {DIR}/auth.log
*.*;auth,authpriv.none          -{DIR}/syslog
*.=info;*.=notice;*.=warn;auth,authpriv.none;cron,daemon.none;mail,news.none  -{DIR}/messages
kern.warning;kern.!err          {DIR}/kern-warn
mail.err                        {DIR}/mail.err
*.=debug                        stop
local0.*                        @@127.0.0.1:{FWD}
& stop
*.crit                          {DIR}/crit
*.*                             @127.0.0.1:{UFWD};RSYSLOG_SyslogProtocol23Format
`, false, nil},
	{"filters by property", "rsyslog", `
module(load="imtcp")
input(type="imtcp" port="{TCP}")
:msg, contains, "[UFW " {DIR}/ufw.log
& stop
:programname, !isequal, "sshd" {DIR}/not-sshd
:msg, regex, "fatal .*\\(error\\|problem\\)" {DIR}/fatal.log
:msg, regex, "fatal .*\(error\|problem\)" {DIR}/literally
:msg, ereregex, "(fatal|slow) (an|the)" {DIR}/an
:hostname, startswith, "web" {DIR}/web
:syslogtag, isequal, "sshd[17]:" {DIR}/never-translated
:msg, startswith, " fatal" {DIR}/starts
`, false, nil},
	{"rulesets and conditions", "rsyslog", `
global(workDirectory="{DIR}")
module(load="imtcp") module(load="imudp")
template(name="perhost" type="string" string="{DIR}/%HOSTNAME%/%PROGRAMNAME%.log")
input(type="imtcp" port="{TCP}" ruleset="remote")
input(type="imudp" port="{UDP}")
ruleset(name="remote") {
    action(type="omfile" dynaFile="perhost" template="RSYSLOG_FileFormat")
    if $programname == ["sshd", "su"] and not ($syslogseverity > 4 or $msg contains "slow") then {
        action(type="omfile" file="{DIR}/urgent")
        stop
    } else if prifilt("mail.*") then {
        @@127.0.0.1:{FWD}
    } else {
        action(type="omfile" file="{DIR}/rest")
    }
    call late
}
ruleset(name="late") {
    if re_match($msg, "fatal.*7\$") or $hostname == "db1" then { action(type="omfile" file="{DIR}/late") }
}
*.* {DIR}/by-udp
`, true, nil},
	{"rulesets with queues", "rsyslog", `
global(workDirectory="{DIR}")
module(load="imtcp")
input(type="imtcp" port="{TCP}" ruleset="main")
ruleset(name="queued" queue.type="LinkedList") {
    if $msg contains "UFW" then {
        action(type="omfile" file="{DIR}/stopped")
        stop
    }
    call plain
    action(type="omfile" file="{DIR}/queued")
}
ruleset(name="plain") { if $msg contains "slow" then stop }
ruleset(name="main") {
    call queued
    if $hostname == "db1" then call plain
    action(type="omfile" file="{DIR}/main")
}
`, false, nil},
	{"what rsyslogd reads otherwise than it looks", "rsyslog", `
module(load="imtcp")
input(type="imtcp" port="{TCP}")
*.=debug;\
	auth,authpriv.none;\
	news.none;mail.none	-{DIR}/debug
mail.*;mark.none;security.err {DIR}/mail-and-auth
*.err;local0.=info;local0.!crit {DIR}/mixed
if $msg contains "UFW" or $msg contains "all" and $hostname == "web1" then {DIR}/left
if not ($msg contains "UFW") and not re_match($msg, "^ *fatal") then {DIR}/not
if $programname == ["postfix", "cron"] then {DIR}/program
:programname, !isequal, "postfix" {DIR}/no-postfix
:programname, contains, "smtpd" {DIR}/smtpd
:programname, regex, "^post.*x$" {DIR}/regex
:msg, regex, "^ [a-z]* an" {DIR}/blank
:msg, contains, " all" {DIR}/all
:rawmsg-after-pri, startswith, "Oct 1" {DIR}/raw
if re_match($syslogfacility-text, "^local[01]") or $syslogseverity-text startswith "e" then {DIR}/words
if tolower($syslogseverity-text) == "err" then {DIR}/lower
if $msg contains "\x55FW" or $msg contains '\163low' then {DIR}/numbered
if $msg contains "UFW" then {DIR}/if
else if $msg contains "all" then {DIR}/else-if
else {DIR}/else
if prifilt("mail.info") then {
    {DIR}/before
    if $msg contains "fatal" then stop
    {DIR}/behind
}
:msg, contains, "slow" ~
*.* {DIR}/rest
`, false, []string{"postfix/smtpd[88]", "cron", "su[17]", "prefix"}},
	{"directives between actions, and tags", "rsyslog", `
$ModLoad imtcp
$InputTCPServerRun {TCP}
$WorkDirectory {DIR}
:syslogtag, isequal, "su:" {DIR}/tag-equal
:syslogtag, isequal, "cron:" {DIR}/tag-equal-cron
:syslogtag, !isequal, "cron:" {DIR}/tag-other
:syslogtag, startswith, "su:" {DIR}/tag-begins
:syslogtag, contains, "ron:" {DIR}/tag-has
:syslogtag, contains, "su" {DIR}/tag-has-so
if $fromhost-ip != "127.0.0.1" then {DIR}/others
if $fromhost-ip startswith "127." then {DIR}/own
:programname, isequal, "sshd" {DIR}/sshd
$FileCreateMode 0640
& stop
mail.* {DIR}/mail
$ActionQueueSize 1000
$FileCreateMode 0644
& {DIR}/mail-too
if $msg contains "slow" then {DIR}/slow
else if $msg contains "fatal" then {DIR}/fatal
$FileCreateMode 0640
& {DIR}/fatal-too
*.* {DIR}/all
`, false, nil},
	{"log paths of syslog-ng", "syslog-ng", `@version: 3.38
options { keep-hostname(yes); use-dns(no); stats-freq(0); create-dirs(yes); };
source s_net { network(ip("127.0.0.1") port({TCP}) transport("tcp")); };
source s_udp { udp(ip("127.0.0.1") port({UDP})); };
destination d_auth { file("{DIR}/auth"); };
destination d_rest { file("{DIR}/rest"); };
destination d_hosts { file("{DIR}/$HOST/messages"); };
destination d_web { file("{DIR}/web"); };
destination d_else { file("{DIR}/else"); };
destination d_udp { file("{DIR}/by-udp"); };
destination d_other { file("{DIR}/other"); };
destination d_tcp { network("127.0.0.1" port({FWD}) transport("tcp")); };
filter f_auth { facility(auth, authpriv) and not level(debug); };
filter f_noise { program("^cron$" flags(ignore-case)) or message("slow an") or match("fatal" value("MESSAGE") type(string) flags(substring)); };
filter f_range { level(warning..emerg) and facility(local0..local7, mail); };
log { source(s_net); filter(f_auth); destination(d_auth); };
log { source(s_net); filter(f_range); destination(d_tcp); };
log { source(s_net); filter(f_noise); destination(d_hosts); flags(final); };
log { source(s_net); if (host("^web")) { destination(d_web); } else { destination(d_else); }; };
log { source(s_net); source(s_udp); filter { facility(kern); }; destination(d_rest); };
log { source(s_udp); destination(d_udp); };
log { source(s_net); filter { facility(user); }; log { filter { level(debug); }; destination(d_other); flags(final); }; log { destination(d_rest); }; };
`, true, nil},
	{"log paths of syslog-ng, in their order", "syslog-ng", `@version: 3.38
@define dir "{DIR}"
@define who "cron"
options { keep-hostname(yes); use-dns(no); stats-freq(0); };
source s { network(ip("127.0.0.1") port({TCP}) transport("tcp")); };
filter f_sshd { program("sshd"); };
filter f_cron { program("{TICK}who{TICK}"); };
filter f_bad { program("haproxy") or level(err..emerg); };
filter f_local { facility(mail, local0..local3) and not level(debug); };
filter f_web { match("an error" value("MESSAGE")) and host("^web"); };
log { source(s); destination { file("{TICK}dir{TICK}/all"); }; filter(f_web); destination { file("{TICK}dir{TICK}/behind-a-filter"); }; };
log { source(s); log { filter(f_sshd); destination { file("{TICK}dir{TICK}/embedded-final"); }; flags(final); }; log { filter(f_bad); destination { file("{TICK}dir{TICK}/embedded"); }; }; log { destination { file("{TICK}dir{TICK}/embedded-fallback"); }; flags(fallback); }; };
log { source(s); junction { channel { filter(f_sshd); flags(final); }; channel { filter(f_bad); }; }; destination { file("{TICK}dir{TICK}/junction"); }; };
log { source(s); if (program("sshd")) { filter(f_bad); destination { file("{TICK}dir{TICK}/if"); }; } elif (host("db1")) { destination { file("{TICK}dir{TICK}/elif"); }; } else { destination { file("{TICK}dir{TICK}/else"); }; }; destination { file("{TICK}dir{TICK}/behind-if"); }; };
log { source(s); if { filter(f_cron); destination { file("{TICK}dir{TICK}/filter"); }; } else { destination { file("{TICK}dir{TICK}/no-filter"); }; }; };
log { source(s); filter(f_local); log { filter(f_cron); destination { file("{TICK}dir{TICK}/final-1"); }; }; log { filter(f_web); destination { file("{TICK}dir{TICK}/final-2"); }; }; flags(final); };
log { source(s); filter(f_cron); destination { file("{TICK}dir{TICK}/$PROGRAM.log"); }; flags(final); };
log { source(s); log { filter(f_sshd); destination { file("{TICK}dir{TICK}/late"); }; }; };
log { source(s); destination { file("{TICK}dir{TICK}/fallback"); }; flags(fallback); };
`, false, nil},
}

// placed fills the places of a configuration.
type placed struct{ dir, tcp, udp string }

func (m *moving) in(p placed, tcp, udp *receiver) string {
	port := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return port
	}
	return strings.NewReplacer("{TICK}", "`", "{DIR}", p.dir, "{TCP}", port(p.tcp), "{UDP}", port(p.udp), "{FWD}", port(tcp.addr), "{UFWD}", port(udp.addr)).Replace(m.text)
}

// messages are of every facility and severity, of some programs and hosts.
func messages(programs []string) (list []string) {
	if programs == nil {
		programs = []string{"sshd", "cron", "su[17]", "app.x", "haproxy"}
	}
	hosts := []string{"web1", "db1", "fw"}
	texts := []string{"[UFW BLOCK] a packet", "fatal an error 7", "slow the query", "all is well"}
	for nr := range 24 * 8 {
		list = append(list, fmt.Sprintf("<%d>Oct 11 22:14:15 %s %s: %s nr=%04d %d\n",
			nr, hosts[nr%len(hosts)], programs[nr%len(programs)], texts[nr/3%len(texts)], nr, nr%10))
	}
	return list
}

func TestConvertedConfigurationsSendTheSameMessagesToTheSamePlaces(t *testing.T) {
	for _, m := range movings {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			theirs := m.observe(t, m.startOriginal)
			ours := m.observe(t, m.startConverted)
			delete(theirs, "never-translated")
			for _, place := range slices.Sorted(maps.Keys(theirs)) {
				if !slices.Equal(theirs[place], ours[place]) {
					t.Errorf("%s: %s has %d messages %v, Syslane %d %v", place, m.program, len(theirs[place]), theirs[place], len(ours[place]), ours[place])
				}
			}
			for place := range ours {
				if theirs[place] == nil && len(ours[place]) > 0 {
					t.Errorf("%s: only Syslane sends messages there: %v", place, ours[place])
				}
			}
			if len(theirs) < 3 {
				t.Errorf("%s has sent messages to %d places", m.program, len(theirs))
			}
			t.Logf("%d places, %d messages", len(theirs), len(slices.Concat(slices.Collect(maps.Values(theirs))...)))
		})
	}
}

// observe runs a program, sends the messages and returns which came where: to which
// file, or receiver.
func (m *moving) observe(t *testing.T, start func(*testing.T, string, placed)) map[string][]string {
	t.Helper()
	p := placed{dir: t.TempDir(), tcp: proc.FreeAddr(t), udp: proc.FreeAddr(t)}
	tcp, udp := receiveTCP(t), receiveUDP(t)
	start(t, m.in(p, tcp, udp), p)
	ways := []string{"tcp"}
	if m.udp {
		ways = append(ways, "udp")
	}
	for _, way := range ways {
		addr := map[string]string{"tcp": p.tcp, "udp": p.udp}[way]
		conn, err := net.Dial(way, addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range messages(m.programs) {
			if way == "udp" {
				line = strings.TrimSuffix(line, "\n")
			}
			if _, err := conn.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
	}
	look := func() map[string][]string {
		got := map[string][]string{}
		filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			text, err := os.ReadFile(path)
			if list := numbers(text); err == nil && len(list) > 0 {
				name, _ := filepath.Rel(p.dir, path)
				got[name] = list
			}
			return nil
		})
		for name, r := range map[string]*receiver{"TCP": tcp, "UDP": udp} {
			if list := numbers(r.text()); len(list) > 0 {
				got[name] = list
			}
		}
		return got
	}
	// They have come when nothing more comes for a while.
	var last string
	quiet := time.Now()
	await.Until(t, 30*time.Second, "the messages", func() error {
		now := fmt.Sprint(look())
		if now != last {
			last, quiet = now, time.Now()
		}
		if time.Since(quiet) < 1500*time.Millisecond || last == "map[]" {
			return fmt.Errorf("so far %d octets of results", len(last))
		}
		return nil
	})
	return look()
}

func (m *moving) startOriginal(t *testing.T, text string, p placed) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "the.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{peers.Find(t, peers.Rsyslogd), "-n", "-f", conf, "-i", filepath.Join(dir, "pid")}
	if m.program == "syslog-ng" {
		in := func(name string) string { return filepath.Join(dir, name) }
		args = []string{peers.Find(t, peers.SyslogNG), "--foreground", "--stderr", "--no-caps", "--cfgfile=" + conf,
			"--persist-file=" + in("persist"), "--pidfile=" + in("pid"), "--control=" + in("control")}
	}
	r := proc.Start(t, proc.Config{Name: m.program, Args: args, Log: filepath.Join(dir, "output.log")})
	await.Until(t, time.Minute, m.program+"'s input", func() error {
		if err := r.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, r.Tail()))
		}
		conn, err := net.Dial("tcp", p.tcp)
		if err != nil {
			return err
		}
		conn.Close()
		if m.udp {
			return isBound(p.udp)
		}
		return nil
	})
}

// isBound returns an error as long as no socket takes the datagrams for an address.
func isBound(udp string) error {
	port := netip.MustParseAddrPort(udp).Port()
	sockets, err := os.ReadFile("/proc/net/udp")
	if err == nil && !bytes.Contains(sockets, fmt.Appendf(nil, ":%04X 00000000:0000 ", port)) {
		err = fmt.Errorf("no socket is bound to %s", udp)
	}
	return err
}

func (m *moving) startConverted(t *testing.T, text string, p placed) {
	dir := t.TempDir()
	theirs, ours := filepath.Join(dir, "the.conf"), filepath.Join(dir, "relay.toml")
	if err := os.WriteFile(theirs, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	toml := must(t, "convert", theirs)
	http := proc.FreeAddr(t)
	toml = strings.ReplaceAll(toml, "127.0.0.1:8515", http)
	if err := os.WriteFile(ours, []byte(toml), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "check", ours)
	startFile(t, "relay", ours, http)
}
