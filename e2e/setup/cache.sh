# Sourced by the scripts beside it. Sets $cache, the folder outside the source
# tree that keeps what the end-to-end tests need (override: SYSLANE_TEST_CACHE),
# and the functions retry and say.

# Elasticsearch refuses to run as root, and root's home is closed to the user it
# runs as: root's cache therefore lies where everyone can read.
if [ -n "${SYSLANE_TEST_CACHE:-}" ]; then
  cache=$SYSLANE_TEST_CACHE
elif [ "$(id -u)" = 0 ]; then
  cache=/var/cache/syslane-test
else
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/syslane-test
fi

es_version=8.19.6
es_home=$cache/elasticsearch-$es_version
es_user=syslane-test
os_runner=2.19.1.0
os_home=$cache/opensearch-$os_runner

say() { echo "setup: $*" >&2; }

# retry COMMAND...: registries have bad moments; five tries with growing pauses.
retry() {
  local try
  for try in 1 2 3 4 5; do
    "$@" && return 0
    [ "$try" = 5 ] || { say "try $try of 5 failed: $*"; sleep $((try * 3)); }
  done
  return 1
}
