#!/usr/bin/env bash
# Looks for known vulnerabilities in what is linked, with the newest database. The
# database comes as a Go module, so that nothing but the module proxy is needed.
# What is released is built by the toolchain of go.mod, so that is looked at.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go mod download -json golang.org/x/vulndb@latest >"$work/module.json"
vulndb=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' "$work/module.json")
echo "vulncheck: database of $(sed -n 's/^\t"Version": "\(.*\)",$/\1/p' "$work/module.json")" >&2
# The module's own dependencies are not in ours: it is built from a copy.
cp -r "$vulndb" "$work/vulndb" && chmod -R u+w "$work/vulndb"
(cd "$work/vulndb" && go run ./cmd/indexdb -vulns data/osv -out "$work/db")
GOTOOLCHAIN=$(sed -n 's/^toolchain //p' go.mod)
export GOTOOLCHAIN
GOFLAGS=-mod=mod go run golang.org/x/vuln/cmd/govulncheck@latest -db "file://$work/db" "${@:-./...}"
