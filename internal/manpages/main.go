// Command manpages writes what is generated from the command line: a manual page for
// each command into DIR/man, and completions for bash, zsh and fish into
// DIR/completions. The packages ship them.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/syslane/syslane/internal/cli"
)

func main() {
	version := flag.String("version", "", "version for the foot of the pages")
	seconds := flag.Int64("date", time.Now().Unix(), "date for the foot of the pages, in seconds since 1970")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: manpages [-version VERSION] [-date SECONDS] DIR")
		os.Exit(2)
	}
	root := cli.Root()
	root.DisableAutoGenTag = true
	date := time.Unix(*seconds, 0).UTC()
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "Syslane " + *version, Manual: "Syslane Manual"}
	if err := write(root, header, flag.Arg(0)); err != nil {
		fmt.Fprintf(os.Stderr, "manpages: %v\n", err)
		os.Exit(1)
	}
}

func write(root *cobra.Command, header *doc.GenManHeader, dir string) error {
	man, completions := filepath.Join(dir, "man"), filepath.Join(dir, "completions")
	for _, d := range []string{man, completions} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := doc.GenManTree(root, header, man); err != nil {
		return err
	}
	if err := root.GenBashCompletionFileV2(filepath.Join(completions, "syslane.bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(filepath.Join(completions, "_syslane")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(filepath.Join(completions, "syslane.fish"), true)
}
