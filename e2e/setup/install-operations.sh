#!/usr/bin/env bash
# Fetches what the tests of operations need, without installing it: promtool of
# Prometheus, and a corpus of configurations as Debian's packages ship them, with
# rsyslog's documentation, which is full of them. Does nothing where they are there.
# Needs apt-get and dpkg; elsewhere it says so and fails.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

# Packages with files in /etc/rsyslog.d, and documentation of the syntax.
corpus="rsyslog rsyslog-doc ufw postfix arno-iptables-firewall haproxy syslog-ng-core"

complete() { [ -x "$cache/bin/promtool" ] && [ -d "$cache/corpus/rsyslog" ]; }

complete && exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  say "promtool and the corpus of configurations need apt-get and dpkg"
  exit 1
fi
mkdir -p "$cache/bin"
new=$(mktemp -d "$cache/operations.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
fetch() {
  mkdir -p "$new/$1.deb"
  (cd "$new/$1.deb" && retry apt-get -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root download "$1" >/dev/null)
  dpkg -x "$new/$1.deb"/*.deb "$new/$1"
}
if [ "$(id -u)" = 0 ]; then retry apt-get -qq update; fi
if [ ! -x "$cache/bin/promtool" ]; then
  say "fetching promtool"
  fetch prometheus
  install -m 755 "$new/prometheus/usr/bin/promtool" "$cache/bin/promtool"
fi
say "fetching a corpus of configurations"
for package in $corpus; do
  fetch "$package"
  while read -r file; do
    to=$new/corpus/$package/${file#"$new/$package/"}
    mkdir -p "$(dirname "$to")"
    cp "$file" "$to"
  done < <(find "$new/$package" -type f \( -path '*/etc/rsyslog*' -o -path '*/etc/syslog-ng/*' -o -path '*/rsyslog-doc/html/_sources/*.rst.txt' -o -name 'rsyslog*.conf' \))
done
chmod -R a+rX "$new/corpus"
rm -rf "$cache/corpus"
mv "$new/corpus" "$cache/corpus"
