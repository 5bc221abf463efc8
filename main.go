// Command syslane is a syslog relay and collector.
package main

import (
	"os"

	"github.com/syslane/syslane/internal/cli"
)

func main() { os.Exit(cli.Main()) }
