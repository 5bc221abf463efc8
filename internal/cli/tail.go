package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/syslane/syslane/search"
)

// Pauses between attempts to reach a collector again.
const (
	tailRetryMin = 200 * time.Millisecond
	tailRetryMax = 5 * time.Second
)

type tailCommand struct {
	source
	last   int
	format string
}

func newTailCommand() *cobra.Command {
	var t tailCommand
	cmd := &cobra.Command{
		Use:   "tail [QUERY]",
		Short: "Show messages as they come",
		Long: `Show the messages that a collector takes, as they come, in the order in which they
are stored; those that the query finds, in the language of "syslane search", where
there is one. On a terminal colours show severities.

Where the connection to the collector breaks it is made again, and goes on where it
was: nothing is left out, and nothing shown twice.`,
		Example: `  syslane tail
  syslane tail -n 20 'severity<=warning host:web*'
  syslane tail --format json 'app:sshd | fields @timestamp, host, message'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			query := strings.Join(args, " ")
			p, err := newPrinter(cmd.OutOrStdout(), t.format, query)
			if err == nil {
				err = t.follow(ctx, query, p, cmd.ErrOrStderr())
			}
			if err != nil {
				printSearchError(cmd.ErrOrStderr(), err, query)
				return statusSearchFailed
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.IntVarP(&t.last, "last", "n", 10, "start with so many of the past")
	f.StringVar(&t.format, "format", "text", "text, json, csv, or raw (messages alone)")
	t.source.flags(f)
	return cmd
}

// follow prints what comes until ctx ends.
func (t *tailCommand) follow(ctx context.Context, query string, p *printer, errs io.Writer) error {
	if t.last < 0 || t.last > search.MaxLast {
		return fmt.Errorf("--last %d is not from 0 to %d", t.last, search.MaxLast)
	}
	from, err := t.searcher()
	if err != nil {
		return err
	}
	request := search.TailRequest{Query: query, Last: t.last}
	_, remote := from.(*search.Remote)
	wait, lost := tailRetryMin, false
	for {
		printing := error(nil)
		err := from.Tail(ctx, request, func(item search.TailItem) error {
			wait = tailRetryMin
			if lost {
				lost = false
				fmt.Fprintln(errs, "syslane: connected again")
			}
			if item.Lost > 0 {
				fmt.Fprintf(errs, "syslane: %d messages are left out: they were deleted before they were read, or are damaged\n", item.Lost)
			}
			if item.Incomplete {
				fmt.Fprintf(errs, "syslane: not all of the past was looked through in time: of the newest %d that match, older ones are missing\n", t.last)
			}
			if item.Event != nil {
				printing = p.print(item.Event)
			} else {
				printing = p.flush()
			}
			if printing == nil {
				request.Cursor = item.Cursor
			}
			return printing
		})
		if flushed := p.flush(); printing == nil {
			printing = flushed
		}
		var syntax *search.SyntaxError
		var cursor *search.CursorError
		switch {
		case ctx.Err() != nil:
			return nil
		case printing != nil:
			return printing
		case !remote || request.Cursor == "" || errors.As(err, &syntax) || errors.As(err, &cursor) || search.Refused(err):
			return err
		}
		if !lost {
			lost = true
			fmt.Fprintf(errs, "syslane: %v; trying again\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
			wait = min(2*wait, tailRetryMax)
		}
	}
}
