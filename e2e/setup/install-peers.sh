#!/usr/bin/env bash
# Installs the syslog peers of the tests and benchmarks: rsyslogd with its RELP, TLS
# and Elasticsearch modules, util-linux's logger, syslog-ng and its loggen, busybox, Python,
# nginx, HAProxy, systemd-socket-activate, systemd-journal-upload, Prometheus's
# Alertmanager, and what networks and disks of tests are made with. Does nothing,
# quickly, where they are there already.
# Needs root and a Debian-like system; elsewhere it says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

rsyslog_complete() {
  local modules
  modules=$(dirname "$(ls /usr/lib/*/rsyslog/omrelp.so /usr/lib/rsyslog/omrelp.so 2>/dev/null | head -n1)")
  command -v rsyslogd >/dev/null || [ -x /usr/sbin/rsyslogd ] || return 1
  [ -e "$modules/omrelp.so" ] && [ -e "$modules/omelasticsearch.so" ] && [ -e "$modules/lmnsd_ossl.so" ] && [ -e "$modules/lmnsd_gtls.so" ]
}

syslog_ng_complete() {
  [ -x "$cache/bin/loggen" ] && "$cache/bin/loggen" --help-all 2>/dev/null | grep -q -- --inet &&
    [ -x "$cache/bin/syslog-ng" ] && "$cache/bin/syslog-ng" --version 2>/dev/null | grep -q afsocket &&
    ls "$cache"/syslog-ng/usr/lib/syslog-ng/*/libhttp.so >/dev/null 2>&1
}

logger_complete() { command -v logger >/dev/null; }

journal_complete() { [ -x /usr/lib/systemd/systemd-journal-upload ] || [ -x /lib/systemd/systemd-journal-upload ]; }

servers_complete() { [ -x /usr/sbin/nginx ] && [ -x /usr/sbin/haproxy ]; }

locals_complete() { command -v busybox && command -v python3 && command -v systemd-socket-activate; } >/dev/null

machines_complete() { command -v ip && command -v tc && command -v nft && command -v mkfs.ext4; } >/dev/null

alertmanager_complete() { [ -x /usr/bin/prometheus-alertmanager ]; }

apt() { DEBIAN_FRONTEND=noninteractive retry apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >/dev/null; }

# The tests start every daemon themselves; a package must not start its own.
no_services() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
}

# Debian's rsyslog and syslog-ng packages exclude each other, so syslog-ng is
# unpacked beside the system instead of installed into it.
unpack_syslog_ng() {
  local new=$cache/syslog-ng.new
  rm -rf "$new" && mkdir -p "$new/deb"
  (cd "$new/deb" && apt download -o APT::Sandbox::User=root syslog-ng-core syslog-ng-mod-http libivykis0 libnet1)
  local deb
  for deb in "$new"/deb/*.deb; do dpkg -x "$deb" "$new"; done
  rm -rf "$new/deb" "$cache/syslog-ng" && mv "$new" "$cache/syslog-ng"
}

# wrap PROGRAM [OPTION...]: makes $cache/bin/NAME run a program of the unpacked tree.
wrap() {
  local program=$1 wrapper=$cache/bin/${1##*/}
  shift
  mkdir -p "$cache/bin"
  cat >"$wrapper" <<WRAPPER
#!/bin/sh
root=$cache/syslog-ng
export SYSLOGNG_PREFIX=\$root/usr
export LD_LIBRARY_PATH=\$root/usr/lib/syslog-ng:\$(echo "\$root"/usr/lib/*-linux-gnu*)
exec "\$root/$program" $* "\$@"
WRAPPER
  chmod 755 "$wrapper"
}

wrap_syslog_ng() {
  wrap usr/bin/loggen
  wrap usr/sbin/syslog-ng '--module-path="$(echo "$root"/usr/lib/syslog-ng/[0-9]*)"'
}

# The libraries that the unpacked syslog-ng needs of the system.
syslog_ng_libraries() { apt-cache depends --important syslog-ng-core syslog-ng-mod-http | sed -n 's/^ *|\{0,1\}Depends: \(lib[^ ]*\)$/\1/p'; }

# An unpacked tree may lack only the wrappers.
if ! syslog_ng_complete && [ -x "$cache/syslog-ng/usr/sbin/syslog-ng" ] && [ -w "$cache" ]; then
  wrap_syslog_ng
fi
all_complete() {
  rsyslog_complete && logger_complete && syslog_ng_complete && journal_complete && servers_complete && locals_complete && machines_complete && alertmanager_complete
}
if all_complete; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "rsyslogd with omrelp and TLS, logger, syslog-ng, loggen, nginx, haproxy, busybox, python3, systemd-socket-activate, systemd-journal-upload, ip, tc, nft, mkfs.ext4 or prometheus-alertmanager is missing, and installing them needs root on a Debian-like system"
  exit 1
fi
say "installing rsyslog, syslog-ng and programs that log"
apt update
no_services
rsyslog_complete || apt install --no-install-recommends rsyslog rsyslog-relp rsyslog-openssl rsyslog-gnutls rsyslog-elasticsearch
logger_complete || apt install --no-install-recommends bsdutils
journal_complete || apt install --no-install-recommends systemd-journal-remote
locals_complete || apt install --no-install-recommends busybox python3 systemd
servers_complete || apt install --no-install-recommends nginx haproxy
machines_complete || apt install --no-install-recommends iproute2 nftables e2fsprogs
alertmanager_complete || apt install --no-install-recommends prometheus-alertmanager
if ! syslog_ng_complete; then
  # shellcheck disable=SC2046
  apt install --no-install-recommends $(syslog_ng_libraries)
  unpack_syslog_ng
  wrap_syslog_ng
fi
all_complete || {
  say "the packages are installed, but rsyslogd, its modules, logger, syslog-ng, loggen, nginx, haproxy, busybox, python3, systemd-socket-activate, systemd-journal-upload, ip, tc, nft, mkfs.ext4 or prometheus-alertmanager still do not run"
  exit 1
}
