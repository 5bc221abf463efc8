package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/search"
)

// Exit statuses of a search, as grep has them.
const (
	statusNothingFound exitStatus = 1
	statusSearchFailed exitStatus = 2
)

type searchCommand struct {
	source
	elastic, index        string
	since, until, format  string
	limit                 int
	json, reverse, follow bool
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
  /expr/                     a regular expression
  'severity<=err'            err and worse
  source:10.0.0.0/8          an address or network
  'a or b', 'not a', '(…)'   and is implied
  'app:sshd | top 10 host'   count, top, histogram, rate, facets, first, last,
                             sort and fields; docs/QUERY.md tells of each

Of all that match, the newest are printed, as many as --limit says, the newest at
the bottom. --limit 0 prints all, oldest first, as they are found. With --reverse
the newest comes first. With --follow those that come are printed as they do, as
by "syslane tail".

The exit status is 0 where something was found, 1 where nothing was, and 2 after
an error or where a part of the log could not be searched.`,
		Example: `  syslane search --since 15m 'failed or invalid app:sshd'
  syslane search --since '2026-01-31 08:00' --until '2026-01-31 09:00' --limit 0 --json 'severity<=err'
  syslane search --since 1d --format csv 'severity<=err | histogram 1h by host'
  syslane search --elasticsearch https://es1.example.net:9200 --since 90d 'host:web1 | histogram 1d'
  syslane search --dir /var/lib/syslane/collector hello`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := s.run(cmd.Context(), strings.Join(args, " "), cmd.OutOrStdout(), cmd.ErrOrStderr())
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
	f.StringVar(&s.format, "format", "text", "text, json (each event an ECS document, one a line), csv, or raw (messages alone)")
	f.BoolVar(&s.json, "json", false, "the same as --format json")
	f.BoolVarP(&s.follow, "follow", "f", false, "go on with what comes")
	f.BoolVarP(&s.reverse, "reverse", "r", false, "print the newest event first")
	s.source.flags(f)
	f.StringVar(&s.elastic, "elasticsearch", "", "search what the output has written to this Elasticsearch, as \"https://es1.example.net:9200\", with the API key in the environment's ELASTICSEARCH_API_KEY")
	f.StringVar(&s.index, "index", "logs-syslog-default", "with --elasticsearch: the data stream, index or pattern")
	return cmd
}

func (s *searchCommand) run(ctx context.Context, query string, out, errs io.Writer) error {
	if s.json {
		s.format = "json"
	}
	p, err := newPrinter(out, s.format, query)
	if err != nil {
		return err
	}
	if s.follow {
		if s.since != "" || s.until != "" || s.reverse || s.elastic != "" {
			return errors.New("--follow goes on with what comes: it takes no --since, --until, --reverse or --elasticsearch")
		}
		t := tailCommand{source: s.source, last: min(s.limit, search.MaxLast)}
		return t.follow(ctx, query, p, errs)
	}
	request := search.Request{Query: query, Limit: s.limit, Order: search.NewestFirst}
	now := time.Now()
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
	searcher, err := s.where()
	if err != nil {
		return err
	}
	bar := newScanBar(errs)
	request.Progress = bar.tell
	// The newest are found first and belong at the bottom: hold them until all
	// are there. The limit bounds how many they are.
	var waiting [][]byte
	// Rows, and what first or last found, have an order of their own.
	q, wrong := search.Parse(query)
	hold := s.limit > 0 && !s.reverse && wrong == nil && !q.Piped()
	stats, err := searcher.Search(ctx, request, func(doc []byte) error {
		if hold {
			waiting = append(waiting, slices.Clone(doc))
			return nil
		}
		bar.clear()
		return p.print(doc)
	})
	bar.clear()
	// What was found is printed in any case; the error follows.
	for _, doc := range slices.Backward(waiting) {
		if err := p.print(doc); err != nil {
			return err
		}
	}
	if flushed := p.flush(); err == nil && flushed != nil {
		err = fmt.Errorf("print results: %w", flushed)
	}
	var incomplete *search.IncompleteError
	if errors.As(err, &incomplete) && incomplete.Whole {
		fmt.Fprintf(errs, "syslane: note: %s\n", incomplete.Text)
		err = nil
	}
	if err == nil && stats.Matched == 0 {
		return statusNothingFound
	}
	return err
}

// where returns what is searched.
func (s *searchCommand) where() (search.Searcher, error) {
	if s.elastic == "" {
		return s.searcher()
	}
	if s.dir != "" || s.server != "" {
		return nil, errors.New("--elasticsearch asks Elasticsearch itself: it takes no --server or --dir")
	}
	cfg := elasticsearch.Config{Addresses: []string{s.elastic}, APIKey: os.Getenv("ELASTICSEARCH_API_KEY")}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("read the CA certificates: %w", err)
		}
		cfg.CACert = pem
	}
	client, err := elasticsearch.NewBaseClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("--elasticsearch: %w", err)
	}
	return &search.Elastic{Client: client, Index: s.index}, nil
}

// printSearchError points at the place in the query, where there is one.
func printSearchError(w io.Writer, err error, query string) {
	fmt.Fprintf(w, "syslane: %v\n", err)
	var syntax *search.SyntaxError
	if errors.As(err, &syntax) && !strings.ContainsAny(query, "\n\t") && syntax.Column <= utf8.RuneCountInString(query)+1 {
		fmt.Fprintf(w, "  %s\n  %s^\n", query, strings.Repeat(" ", syntax.Column-1))
	}
}
