#!/usr/bin/env bash
# elasticsearch.sh PORT DIR [CERT KEY CA]: runs the Elasticsearch of install-elasticsearch.sh
# in the foreground, on 127.0.0.1:PORT, with data, logs and configuration
# beneath DIR. Kill its process group to stop it (it is two processes); started
# again with the same DIR it goes on with the same data.
#
# With the files of a certificate, its key and their CA it speaks TLS, only with those
# who show a certificate of that CA, and asks who one is: user "admin" with password
# "admin-of-tests" may do everything, and there are API keys. ELASTICSEARCH_SETTINGS holds more lines for elasticsearch.yml,
# ELASTICSEARCH_JAVA more options of Java. Without them the code is compiled quickly rather than well: tests
# start servers often and ask little of them, and this halves what a start costs.
#
# The server has the core of Elasticsearch and x-pack security. It knows bulk, search, scroll, point in time, composable index
# templates, flattened fields, and data streams made by the first write that
# matches a template. It does not know match_only_text, constant_keyword,
# wildcard, ILM, ingest processors, /_data_stream, and GET / answers 405.
set -euo pipefail
cd "$(dirname "$0")"
. ./cache.sh

[ $# = 2 ] || [ $# = 5 ] || { say "usage: elasticsearch.sh PORT DIR [CERT KEY CA]"; exit 2; }
port=$1 dir=$2
[ -x "$es_home/bin/elasticsearch" ] || { say "no Elasticsearch in $es_home: run install-elasticsearch.sh"; exit 1; }

mkdir -p "$dir/config" "$dir/data" "$dir/logs" "$dir/tmp"
dir=$(cd "$dir" && pwd)
cp "$es_home"/config/{jvm.options,log4j2.properties} "$dir/config/"
mkdir -p "$dir/config/jvm.options.d"
cat >"$dir/config/elasticsearch.yml" <<Y
cluster.name: syslane-test
node.name: syslane-test
discovery.type: single-node
network.host: 127.0.0.1
http.port: $port
transport.port: 0
path.data: $dir/data
path.logs: $dir/logs
cluster.routing.allocation.disk.threshold_enabled: false
${ELASTICSEARCH_SETTINGS:-}
Y
if [ $# = 5 ]; then
  install -m 644 "$3" "$dir/config/http.pem"
  install -m 644 "$5" "$dir/config/ca.pem"
  install -m 600 "$4" "$dir/config/http.key"
  echo 'admin:admin-of-tests' >"$dir/config/users"
  echo 'superuser:admin' >"$dir/config/users_roles"
  cat >>"$dir/config/elasticsearch.yml" <<Y
xpack.security.enabled: true
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.certificate: http.pem
xpack.security.http.ssl.key: http.key
xpack.security.http.ssl.certificate_authorities: ca.pem
xpack.security.http.ssl.client_authentication: required
Y
else
  echo 'xpack.security.enabled: false' >>"$dir/config/elasticsearch.yml"
fi
as_user=()
if [ "$(id -u)" = 0 ]; then
  chown -R "$es_user:" "$dir"
  as_user=(setpriv "--reuid=$es_user" "--regid=$es_user" --clear-groups)
fi
export ES_PATH_CONF=$dir/config ES_TMPDIR=$dir/tmp HOME=$dir
export ES_JAVA_OPTS="-Xms768m -Xmx768m ${ELASTICSEARCH_JAVA:--XX:TieredStopAtLevel=1 -XX:-AlwaysPreTouch}"
ES_JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")
export ES_JAVA_HOME
unset JAVA_HOME
exec "${as_user[@]}" "$es_home/bin/elasticsearch"
