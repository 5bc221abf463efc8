#!/usr/bin/env bash
# Installs the syslog peers of the end-to-end tests: rsyslogd with its RELP and
# TLS modules, util-linux's logger, syslog-ng's loggen, busybox, Python,
# systemd-socket-activate, systemd-journal-upload. Does nothing, quickly, where they are there already.
# Needs root and a Debian-like system; elsewhere it says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

rsyslog_complete() {
  local modules
  modules=$(dirname "$(ls /usr/lib/*/rsyslog/omrelp.so /usr/lib/rsyslog/omrelp.so 2>/dev/null | head -n1)")
  command -v rsyslogd >/dev/null || [ -x /usr/sbin/rsyslogd ] || return 1
  [ -e "$modules/omrelp.so" ] && { [ -e "$modules/lmnsd_ossl.so" ] || [ -e "$modules/lmnsd_gtls.so" ]; }
}

loggen_complete() {
  [ -x "$cache/bin/loggen" ] && "$cache/bin/loggen" --help-all 2>/dev/null | grep -q -- --inet
}

logger_complete() { command -v logger >/dev/null; }

journal_complete() { [ -x /usr/lib/systemd/systemd-journal-upload ] || [ -x /lib/systemd/systemd-journal-upload ]; }

locals_complete() { command -v busybox && command -v python3 && command -v systemd-socket-activate; } >/dev/null

apt() { DEBIAN_FRONTEND=noninteractive retry apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >/dev/null; }

# The tests start every daemon themselves; a package must not start its own.
no_services() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
}

# Debian's rsyslog and syslog-ng packages exclude each other, so loggen is
# unpacked beside the system instead of installed into it.
unpack_loggen() {
  local new=$cache/syslog-ng.new
  rm -rf "$new" && mkdir -p "$new/deb" "$cache/bin"
  (cd "$new/deb" && apt download -o APT::Sandbox::User=root syslog-ng-core libivykis0 libnet1)
  local deb
  for deb in "$new"/deb/*.deb; do dpkg -x "$deb" "$new"; done
  rm -rf "$new/deb" "$cache/syslog-ng" && mv "$new" "$cache/syslog-ng"
  cat >"$cache/bin/loggen" <<WRAPPER
#!/bin/sh
root=$cache/syslog-ng
export SYSLOGNG_PREFIX=\$root/usr
export LD_LIBRARY_PATH=\$root/usr/lib/syslog-ng:\$(echo "\$root"/usr/lib/*-linux-gnu*)
exec "\$root/usr/bin/loggen" "\$@"
WRAPPER
  chmod 755 "$cache/bin/loggen"
}

if rsyslog_complete && logger_complete && loggen_complete && journal_complete && locals_complete; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "rsyslogd with omrelp and TLS, logger, loggen, busybox, python3, systemd-socket-activate or systemd-journal-upload is missing, and installing them needs root on a Debian-like system"
  exit 1
fi
say "installing rsyslog, loggen and programs that log"
apt update
no_services
rsyslog_complete || apt install --no-install-recommends rsyslog rsyslog-relp rsyslog-openssl rsyslog-gnutls
logger_complete || apt install --no-install-recommends bsdutils
journal_complete || apt install --no-install-recommends systemd-journal-remote
locals_complete || apt install --no-install-recommends busybox python3 systemd
if ! loggen_complete; then
  apt install --no-install-recommends libglib2.0-0 libssl3
  unpack_loggen
fi
rsyslog_complete && logger_complete && loggen_complete && journal_complete && locals_complete || {
  say "the packages are installed, but rsyslogd, its modules, logger, loggen, busybox, python3, systemd-socket-activate or systemd-journal-upload still do not run"
  exit 1
}
