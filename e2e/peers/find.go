// Package peers finds and drives the programs that the end-to-end tests talk to:
// syslog daemons and clients, systemd-journal-upload, Elasticsearch, OpenSearch. The
// scripts in e2e/setup install them.
package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Peer is a program that tests need.
type Peer string

// The peers. Each is installed by a script in e2e/setup.
const (
	Rsyslogd       Peer = "rsyslogd"
	SyslogNG       Peer = "syslog-ng"
	Loggen         Peer = "loggen"
	Logger         Peer = "logger"
	Busybox        Peer = "busybox"
	Python         Peer = "python3"
	Nginx          Peer = "nginx"
	HAProxy        Peer = "haproxy"
	SocketActivate Peer = "systemd-socket-activate"
	Elasticsearch  Peer = "elasticsearch"
	OpenSearch     Peer = "opensearch"
	// Chromium is the browser that the page is tried in, and Axe a script that checks
	// there whether everyone can use it.
	Chromium Peer = "chromium"
	Axe      Peer = "axe-core"
	// JournalUpload sends journals, JournalRemote makes them.
	JournalUpload Peer = "systemd-journal-upload"
	JournalRemote Peer = "systemd-journal-remote"
	// Alertmanager is that of Prometheus.
	Alertmanager Peer = "prometheus-alertmanager"
	// Promtool checks what is written for Prometheus.
	Promtool Peer = "promtool"
	// Nspawn boots small systems; the others look at packages.
	Nspawn  Peer = "systemd-nspawn"
	Lintian Peer = "lintian"
	Rpmlint Peer = "rpmlint"
)

// Find returns the path of a peer, and leaves the test out where it is missing.
func Find(t testing.TB, p Peer) string {
	t.Helper()
	path := locate(p)
	if path == "" {
		LeaveOut(t, fmt.Sprintf("%s is not installed: run e2e/setup/%s", p, p.installer()))
	}
	return path
}

// LeaveOut skips a test that this machine cannot run, and adds it to the file
// that LEFT_OUT names, so that the whole run can say at its end what it did not
// show. Where CI is set nothing may be left out, and the test fails.
func LeaveOut(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	if path := os.Getenv("LEFT_OUT"); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprintf(f, "%s (%s)\n", t.Name(), why); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip(why)
}

func (p Peer) installer() string {
	switch p {
	case Promtool:
		return "install-operations.sh"
	case Elasticsearch, OpenSearch:
		return "install-" + string(p) + ".sh"
	case Chromium, Axe:
		return "install-browser.sh"
	}
	if p == Nspawn || p == Lintian || p == Rpmlint {
		return "install-packaging.sh"
	}
	return "install-peers.sh"
}

// DebianRoot returns an archive with the file system of a small Debian that has
// systemd, rsyslog and rpm.
func DebianRoot(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(cache(), "debian-root-*.tar"))
	if len(found) == 0 {
		LeaveOut(t, "no Debian root: run e2e/setup/install-packaging.sh")
	}
	return found[len(found)-1]
}

func locate(p Peer) string {
	candidates := []string{"/usr/sbin/" + string(p), "/usr/bin/" + string(p)}
	switch p {
	case Rsyslogd:
		if modules, _ := filepath.Glob("/usr/lib/*/rsyslog/omrelp.so"); len(modules) == 0 {
			return ""
		}
	case Loggen, SyslogNG, Promtool:
		candidates = append([]string{filepath.Join(cache(), "bin", string(p))}, candidates...)
	case JournalUpload, JournalRemote:
		candidates = []string{"/usr/lib/systemd/" + string(p), "/lib/systemd/" + string(p)}
	case Elasticsearch:
		candidates, _ = filepath.Glob(filepath.Join(cache(), "elasticsearch-*", "bin", "elasticsearch"))
	}
	if p == Axe { // a script, which the browser runs
		if scripts, _ := filepath.Glob(filepath.Join(cache(), "axe-core-*", "axe.min.js")); len(scripts) > 0 {
			return scripts[0]
		}
		return ""
	}
	if p == OpenSearch { // a class, which Java runs
		if classes, _ := filepath.Glob(filepath.Join(cache(), "opensearch-*", "OpenSearch.class")); len(classes) > 0 {
			return classes[0]
		}
		return ""
	}
	for _, c := range candidates {
		if path, err := exec.LookPath(c); err == nil {
			return path
		}
	}
	return ""
}

// cache is the folder in which the scripts keep what no package installs; they
// decide where it is.
var cache = sync.OnceValue(func() string {
	out, err := exec.Command("bash", "-c", `. "$0" && printf %s "$cache"`, script("cache.sh")).Output()
	if err != nil {
		panic(fmt.Sprintf("e2e/setup/cache.sh: %v", err))
	}
	return string(out)
})

// script returns the path of a file in e2e/setup.
func script(name string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(here)), "setup", name)
}
