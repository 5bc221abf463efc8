#!/usr/bin/env bash
# fuzz-smoke.sh TIME: runs every fuzz test of the tree for TIME, one by one.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-10s}
for package in $(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
  done
done
