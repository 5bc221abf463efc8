#!/usr/bin/env bash
# opensearch.sh PORT DIR: runs the OpenSearch of install-opensearch.sh in the
# foreground, on 127.0.0.1:PORT, with data, logs and configuration beneath DIR.
# Started again with the same DIR it goes on with the same data.
#
# The server knows data streams, flat_object, match_only_text and ingest
# pipelines. It has no plug-ins: neither security nor ISM.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

[ $# = 2 ] || { say "usage: opensearch.sh PORT DIR"; exit 2; }
[ -e "$os_home/OpenSearch.class" ] || { say "no OpenSearch in $os_home: run install-opensearch.sh"; exit 1; }
mkdir -p "$2"
exec java -Xms768m -Xmx768m -XX:TieredStopAtLevel=1 -cp "$os_home/lib/*:$os_home" OpenSearch "$1" "$2"
