#!/usr/bin/env bash
# Fetches Elasticsearch for the end-to-end tests: the server that its makers
# publish on Maven Central for integration tests (no JDK, few modules; what it
# can do is told in elasticsearch.sh). Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

# add_analysis adds what API keys need (java/EmailAnalysis.java).
add_analysis() {
  local plugin=$es_home/plugins/email-analysis new=$es_home/email-analysis.new
  [ ! -e "$plugin" ] || return 0
  rm -rf "$new" && mkdir -p "$new" "$es_home/plugins"
  javac -cp "$es_home/lib/*" -d "$new/classes" java/EmailAnalysis.java
  jar --create --file "$new/email-analysis.jar" -C "$new/classes" .
  rm -rf "$new/classes"
  cat >"$new/plugin-descriptor.properties" <<P
name=email-analysis
description=what the index .security wants
version=1
classname=EmailAnalysis
java.version=17
elasticsearch.version=$es_version
P
  chmod -R a+rX "$new"
  mv "$new" "$plugin"
}

make_user() {
  [ "$(id -u)" != 0 ] || id "$es_user" >/dev/null 2>&1 ||
    useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$es_user"
}

if [ -x "$es_home/bin/elasticsearch" ]; then
  make_user
  add_analysis
  exit 0
fi
if ! command -v mvn >/dev/null || ! command -v javac >/dev/null || ! command -v unzip >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Elasticsearch needs mvn, a JDK (17 or newer) and unzip; installing them needs root on a Debian-like system"
    exit 1
  fi
  say "installing Maven and a JDK"
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get -qq update
  retry apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends maven default-jdk-headless unzip >/dev/null
fi
say "fetching Elasticsearch $es_version"
mkdir -p "$cache"
new=$(mktemp -d "$cache/elasticsearch.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
retry mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
  "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$es_version:zip" \
  "-DoutputDirectory=$new" "-Dmaven.repo.local=$new/m2" >&2
unzip -q "$new/elasticsearch-$es_version.zip" -d "$new"
chmod -R a+rX "$new/elasticsearch-$es_version"
rm -rf "$es_home"
mv "$new/elasticsearch-$es_version" "$es_home"
chmod 755 "$cache"
make_user
add_analysis
