// Command search measures searches over a log of many messages, beside grep on the
// same text and journalctl on a journal of it. See README.md.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var dir, files string
	var messages, journal, rounds int
	flag.StringVar(&dir, "dir", "", "folder for the log and the texts; kept, and used again where it is complete")
	flag.StringVar(&files, "text", "", "files of RFC 3164 lines without priority, with commas, whose texts are taken")
	flag.IntVar(&messages, "messages", 20_000_000, "number of messages")
	flag.IntVar(&journal, "journal", 500_000, "number of messages in the journal; 0 for none")
	flag.IntVar(&rounds, "rounds", 5, "how often each search runs; the table has medians")
	mode := flag.String("mode", "", "generate, search (the searches of Syslane) or peers")
	flag.Parse()
	err := fmt.Errorf("-mode %q is none of generate, search, peers", *mode)
	switch {
	case dir == "":
		err = fmt.Errorf("name a folder with -dir")
	case *mode == "generate":
		err = generate(dir, files, messages, journal)
	case *mode == "search":
		err = measureSearches(dir, rounds)
	case *mode == "peers":
		err = measurePeers(dir, rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
