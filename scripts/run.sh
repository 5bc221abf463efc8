#!/usr/bin/env bash
# run.sh [DIR]: runs a collector and a relay with the shipped configuration in
# the foreground, their state beneath DIR (default .syslane), and says what to
# type next. Ctrl-C ends the relay, which hands over what it can, and then the
# collector. SYSLANE_BINARY names another binary than bin/syslane.
set -euo pipefail
cd "$(dirname "$0")/.."

syslane=${SYSLANE_BINARY:-bin/syslane}
state=${1:-$PWD/.syslane}
# As etc/collector.toml and etc/relay.toml say.
collector_http=127.0.0.1:8514
relay_http=127.0.0.1:8515
collector='' relay=''

# Each runs in a process group of its own, so that Ctrl-C reaches this script
# only, and the order of ending is ours.
set -m

# stop PID: asks for the end and waits for it, past further signals to us.
stop() {
  [ -n "$1" ] || return 0
  kill -TERM "$1" 2>/dev/null || true
  while kill -0 "$1" 2>/dev/null; do wait "$1" || true; done
}

finish() {
  local status=$?
  trap '' INT TERM
  trap - EXIT
  stop "$relay"
  stop "$collector"
  exit "$status"
}
trap finish EXIT
trap 'exit 0' INT TERM

# healthy ADDRESS: whether /healthz there answers 200.
healthy() {
  local status
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
  printf 'GET /healthz HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
  read -r _ status _ <&3 || status=none
  exec 3>&-
  [ "$status" = 200 ]
} 2>/dev/null

# await NAME PID CHECK...: until CHECK succeeds; fails when the process ends first.
await() {
  local name=$1 pid=$2 tries=0
  shift 2
  until "$@"; do
    kill -0 "$pid" 2>/dev/null || { echo "the $name has ended" >&2; return 1; }
    [ $((tries += 1)) -le 300 ] || { echo "the $name does not become healthy" >&2; return 1; }
    sleep 0.1
  done
}

# What answers there already would be taken for what is started here.
for address in "$collector_http" "$relay_http"; do
  if (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then
    echo "something listens on $address already, perhaps another make run: end it first" >&2
    exit 1
  fi
done

"$syslane" collector --config etc/collector.toml --state "$state/collector" &
collector=$!
await collector "$collector" healthy "$collector_http"
"$syslane" relay --config etc/relay.toml --state "$state/relay" &
relay=$!
await relay "$relay" healthy "$relay_http"

cat <<NEXT

A relay and a collector run. In another terminal:

  send     logger --server 127.0.0.1 --port 5515 --udp "hello from \$USER"
  find     $syslane search hello
  look     http://$collector_http/   in a browser: search, live tail, status

Ctrl-C ends both; what they hold stays in $state.

NEXT
wait -n "$collector" "$relay" && status=0 || status=$?
echo "a node has ended (exit status $status)" >&2
exit 1
