// Package etc holds the configuration files that Syslane is shipped with. They
// are what a role uses when it is started without a file, so that the built-in
// defaults and the shipped files cannot come apart.
package etc

import _ "embed"

// Collector is collector.toml.
//
//go:embed collector.toml
var Collector []byte

// Relay is relay.toml.
//
//go:embed relay.toml
var Relay []byte

// Schema is syslane.schema.json, by which editors complete and check either file. It is
// made from the code: go test ./internal/node -run Schema -update.
//
//go:embed syslane.schema.json
var Schema []byte
