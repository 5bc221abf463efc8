package syslogng

import (
	"slices"
	"strings"
)

// Options that are translated, or that there is nothing to say about: by the drivers of
// sources, of files among them besides, and of destinations.
var (
	sourceOptions = strings.Fields(`ip localip port localport destport transport tls max-connections log-msg-size so-rcvbuf program-override
		host-override time-zone encoding base-dir filename-pattern recursive flags log-iw-size log-fetch-limit dynamic-window-size keep-alive
		keep-hostname keep-timestamp use-dns use-fqdn dns-cache chain-hostnames normalize-hostnames check-hostname persist-name so-keepalive so-reuseport
		so-broadcast so-sndbuf tcp-keepalive-time tcp-keepalive-intvl tcp-keepalive-probes ip-protocol ip-tos ip-ttl follow-freq optional create-dirs
		owner group perm max-files monitor-method udp-port tcp-port rfc5424-tcp-port use-syslogng-pid read-old-records`)
	fileOptions        = strings.Fields(`default-facility default-priority default-severity default-level`)
	destinationOptions = strings.Fields(`port destport localip localport transport tls failover failover-servers disk-buffer log-fifo-size
		template template-escape frac-digits ts-format time-reopen time-sleep time-reap flush-lines flush-timeout batch-lines batch-bytes
		batch-timeout workers keep-alive so-keepalive so-reuseport so-rcvbuf so-sndbuf so-broadcast tcp-keepalive-time tcp-keepalive-intvl
		tcp-keepalive-probes ip-protocol ip-tos ip-ttl persist-name spoof-source spoof-source-max-msglen flags create-dirs owner group perm dir-owner
		dir-group dir-perm fsync url index type user password ca-file timeout retries`)
)

// unknownOptions notes the options of a driver that are not among those known.
func (t *translator) unknownOptions(st statement, n *node, known ...[]string) {
	var names []string
	for _, o := range n.args {
		if o.called && !o.quoted && o.text != "" && !slices.ContainsFunc(known, func(list []string) bool { return slices.Contains(list, o.word()) }) {
			names = append(names, o.word()+"()")
		}
	}
	if flags := find(n.args, "flags"); flags != nil {
		for _, flag := range texts(flags.args) {
			if flag == "no-parse" || flag == "no-header" {
				names = append(names, "flags("+flag+")")
			}
		}
	}
	if len(names) > 0 {
		t.lose(st, "options that have no translation: %s", strings.Join(names, ", "))
	}
}
