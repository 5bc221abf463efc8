// Package docs holds the parts of the documentation that the program serves.
package docs

import _ "embed"

// OpenAPI describes the HTTP API.
//
//go:embed openapi.json
var OpenAPI []byte
