package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/search"
)

// Exit statuses of a search, as grep has them.
const (
	statusNothingFound exitStatus = 1
	statusSearchFailed exitStatus = 2
)

const defaultServer = "http://127.0.0.1:8514"

type searchCommand struct {
	since, until, server, tokenFile, dir string
	limit                                int
	json, reverse                        bool
}

func newSearchCommand() *cobra.Command {
	var s searchCommand
	cmd := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Search what a collector holds",
		Long: `Search the log of a collector, through its HTTP API or, with --dir, its folder.

  failed password            both words, in any case, anywhere in an event
  '"connection reset"'       a phrase
  'conn*'                    words that start so
  app:sshd 'host:web*'       fields: host, app, procid, msgid, facility, severity,
                             source, message, id, input, identity, path, format,
                             tags, sd.ID.PARAM
  'severity<=err'            err and worse
  source:10.0.0.0/8          an address or network
  'a or b', 'not a', '(…)'   and is implied

Of all that match, the newest are printed, as many as --limit says, the newest at
the bottom. --limit 0 prints all, oldest first, as they are found. With --reverse
the newest comes first.

The exit status is 0 where something was found, 1 where nothing was, and 2 after
an error or where a part of the log could not be searched.`,
		Example: `  syslane search --since 15m 'failed or invalid app:sshd'
  syslane search --since '2026-01-31 08:00' --until '2026-01-31 09:00' --limit 0 --json 'severity<=err'
  syslane search --dir /var/lib/syslane/collector hello`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := s.run(cmd.Context(), strings.Join(args, " "), cmd.OutOrStdout())
			var status exitStatus
			if err == nil || errors.As(err, &status) {
				return err
			}
			printSearchError(cmd.ErrOrStderr(), err, strings.Join(args, " "))
			return statusSearchFailed
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		fmt.Fprintf(cmd.ErrOrStderr(), "syslane: %v\nTo look for a text that starts with -, quote it and put -- in front: syslane search -- '\"-x\"'\n", err)
		return statusSearchFailed
	})
	f := cmd.Flags()
	f.StringVar(&s.since, "since", "", `from that time on: "15m", "7d", "2026-01-31 08:00", or RFC 3339`)
	f.StringVar(&s.until, "until", "", "up to that time, written in the same ways")
	f.IntVarP(&s.limit, "limit", "n", search.DefaultLimit, "print so many events at most; 0 means all")
	f.BoolVar(&s.json, "json", false, "print each event as an ECS document, one line of JSON")
	f.BoolVarP(&s.reverse, "reverse", "r", false, "print the newest event first")
	f.StringVar(&s.server, "server", "", "the collector's HTTP API (default: the environment's SYSLANE_SERVER, or "+defaultServer+")")
	f.StringVar(&s.tokenFile, "token-file", "", "file that holds the token of the API (default: the token in the environment's SYSLANE_TOKEN)")
	f.StringVar(&s.dir, "dir", "", "search this log folder, or state folder that holds one, instead of asking a server; works beside a running collector")
	return cmd
}

func (s *searchCommand) run(ctx context.Context, query string, out io.Writer) error {
	request := search.Request{Query: query, Limit: s.limit, Order: search.NewestFirst}
	now := time.Now()
	var err error
	if s.since != "" {
		if request.Since, err = search.ParseTime(s.since, now, time.Local); err != nil {
			return fmt.Errorf("--since: %w", err)
		}
	}
	if s.until != "" {
		if request.Until, err = search.ParseTime(s.until, now, time.Local); err != nil {
			return fmt.Errorf("--until: %w", err)
		}
	}
	if s.limit < 0 {
		return fmt.Errorf("--limit %d is negative; 0 means all", s.limit)
	}
	if s.limit == 0 && !s.reverse {
		request.Order = search.OldestFirst
	}
	searcher, err := s.searcher()
	if err != nil {
		return err
	}
	p := &printer{out: bufio.NewWriterSize(out, 64<<10), json: s.json}
	// The newest are found first and belong at the bottom: hold them until all
	// are there. The limit bounds how many they are.
	var waiting [][]byte
	hold := s.limit > 0 && !s.reverse
	stats, err := searcher.Search(ctx, request, func(doc []byte) error {
		if hold {
			waiting = append(waiting, slices.Clone(doc))
			return nil
		}
		return p.print(doc)
	})
	// What was found is printed in any case; the error follows.
	for _, doc := range slices.Backward(waiting) {
		if err := p.print(doc); err != nil {
			return err
		}
	}
	if flushed := p.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("print results: %w", flushed)
	}
	if err == nil && stats.Matched == 0 {
		return statusNothingFound
	}
	return err
}

func (s *searchCommand) searcher() (search.Searcher, error) {
	if s.dir != "" && (s.server != "" || s.tokenFile != "") {
		return nil, errors.New("--dir searches a folder and --server asks a collector: give one of them")
	}
	if s.dir != "" {
		folder, err := findLog(s.dir)
		if err != nil {
			return nil, err
		}
		return search.Open(folder)
	}
	remote := &search.Remote{Server: s.server, Token: config.NewSecret(os.Getenv("SYSLANE_TOKEN"))}
	if remote.Server == "" {
		remote.Server = os.Getenv("SYSLANE_SERVER")
	}
	if remote.Server == "" {
		remote.Server = defaultServer
	}
	if s.tokenFile != "" {
		text, err := os.ReadFile(s.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		remote.Token = config.NewSecret(strings.TrimSpace(string(text)))
	}
	return remote, nil
}

// printer writes events as text or as they are.
type printer struct {
	out     *bufio.Writer
	json    bool
	line    []byte
	flushed time.Time
}

func (p *printer) print(doc []byte) (err error) {
	if p.json {
		p.line = search.AppendJSON(p.line[:0], doc)
	} else {
		if p.line, err = search.AppendText(p.line[:0], doc, time.Local); err != nil {
			return err
		}
	}
	_, err = p.out.Write(append(p.line, '\n'))
	// A rare event should not wait for the next.
	if now := time.Now(); err == nil && now.Sub(p.flushed) > 100*time.Millisecond {
		p.flushed = now
		err = p.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	return nil
}

// printSearchError points at the place in the query, where there is one.
func printSearchError(w io.Writer, err error, query string) {
	fmt.Fprintf(w, "syslane: %v\n", err)
	var syntax *search.SyntaxError
	if errors.As(err, &syntax) && !strings.ContainsAny(query, "\n\t") && syntax.Column <= utf8.RuneCountInString(query)+1 {
		fmt.Fprintf(w, "  %s\n  %s^\n", query, strings.Repeat(" ", syntax.Column-1))
	}
}
