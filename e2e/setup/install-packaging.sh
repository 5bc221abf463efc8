#!/usr/bin/env bash
# Installs what the tests of the packages need: rpm, lintian, rpmlint and
# systemd-nspawn, and a small Debian with systemd, its journal-upload, rsyslog and rpm, cached as
# debian-root-3.tar, in which the packages are installed. Does nothing, quickly, where
# it is there already.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

root=$cache/debian-root-3.tar
tools_complete() { command -v rpm && command -v lintian && command -v rpmlint && command -v systemd-nspawn && command -v mmdebstrap; } >/dev/null

if [ -e "$root" ] && tools_complete; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "rpm, lintian, rpmlint, systemd-nspawn and a Debian root are missing, and making them needs root on a Debian-like system"
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
if ! tools_complete; then
  say "installing rpm, lintian, rpmlint, systemd-nspawn and mmdebstrap"
  retry apt-get -qq update
  retry apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends rpm lintian rpmlint systemd-container mmdebstrap >/dev/null
fi
say "making a Debian root"
mkdir -p "$cache"
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
new=$cache/debian-root.new.$$.tar
trap 'rm -f "$new"' EXIT
make_root() {
  rm -f "$new"
  mmdebstrap --quiet --variant=minbase \
    --include=systemd,systemd-sysv,dbus,iproute2,procps,systemd-journal-remote,rsyslog,rsyslog-relp,rpm "$suite" "$new"
}
retry make_root
mv "$new" "$root"
