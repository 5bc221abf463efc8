#!/usr/bin/env bash
# elasticsearch.sh BENCH ARGS...: runs the benchmark with a real Elasticsearch that is
# started for it, on 127.0.0.1:$PORT (19237).
set -euo pipefail
port=${PORT:-19237} dir=$(mktemp -d)
chmod 755 "$dir"
ELASTICSEARCH_JAVA=-XX:+TieredCompilation setsid e2e/setup/elasticsearch.sh "$port" "$dir/home" >"$dir/output.log" 2>&1 &
server=$!
trap 'kill -- "-$server" 2>/dev/null; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 180); do
  curl -fsS -o "$dir/health" "http://127.0.0.1:$port/_cluster/health?wait_for_status=yellow&timeout=1s" 2>/dev/null && break
  kill -0 "$server" 2>/dev/null || { tail -20 "$dir/output.log"; exit 1; }
  sleep 1
done
# A server that has just started is slow at first.
"$@" -elasticsearch "127.0.0.1:$port" -rounds 1 -messages 40000 -subjects syslane >"$dir/warm" 2>&1 || { cat "$dir/warm"; exit 1; }
"$@" -elasticsearch "127.0.0.1:$port"
