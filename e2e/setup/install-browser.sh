#!/usr/bin/env bash
# Installs the browser that the page is tried in, Debian's Chromium, and axe-core,
# which checks its accessibility. Does nothing, quickly, where they are there already.
# Needs root and a Debian-like system; elsewhere it says what is missing and fails.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

axe_version=4.14.1
axe=$cache/axe-core-$axe_version/axe.min.js

apt() { DEBIAN_FRONTEND=noninteractive retry apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" >/dev/null; }

# installs PACKAGE...: as root on a Debian-like system.
installs() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "$* is missing, and installing it needs root on a Debian-like system"
    exit 1
  fi
  say "installing $*"
  apt update
  apt install --no-install-recommends "$@"
}

command -v chromium >/dev/null || installs chromium fonts-dejavu-core

if [ ! -e "$axe" ]; then
  command -v npm >/dev/null || installs npm
  new=$(mktemp -d)
  trap 'rm -rf "$new"' EXIT
  (cd "$new" && retry npm --silent pack "axe-core@$axe_version" >/dev/null && tar -xzf "axe-core-$axe_version.tgz")
  mkdir -p "${axe%/*}"
  cp "$new/package/LICENSE" "${axe%/*}/"
  mv "$new/package/axe.min.js" "$axe"
fi
