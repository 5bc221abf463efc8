package cli

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/search"
)

const defaultServer = "http://127.0.0.1:8514"

// source is where searches are made: a collector, or a folder.
type source struct{ server, tokenFile, ca, dir string }

func (s *source) flags(f *pflag.FlagSet) {
	s.serverFlags(f)
	f.StringVar(&s.dir, "dir", "", "search this log folder, or state folder that holds one, instead of asking a server; works beside a running collector")
}

func (s *source) serverFlags(f *pflag.FlagSet) {
	f.StringVar(&s.server, "server", "", "the collector's HTTP API (default: the environment's SYSLANE_SERVER, or "+defaultServer+")")
	f.StringVar(&s.ca, "ca", "", "CA certificates (PEM) by which an https:// server is verified (default: those of this machine)")
	f.StringVar(&s.tokenFile, "token-file", "", "file that holds the token of the API (default: the token in the environment's SYSLANE_TOKEN)")
}

// searched is what can be searched and followed.
type searched interface {
	search.Searcher
	search.Tailer
}

func (s *source) searcher() (searched, error) {
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
	return s.remote()
}

func (s *source) remote() (*search.Remote, error) {
	remote := &search.Remote{Server: s.server, Token: config.NewSecret(os.Getenv("SYSLANE_TOKEN"))}
	if remote.Server == "" {
		remote.Server = os.Getenv("SYSLANE_SERVER")
	}
	if remote.Server == "" {
		remote.Server = defaultServer
	}
	if s.ca != "" {
		conf, err := tlsconf.ClientConfig(tlsconf.Options{Name: "search", CAFile: s.ca})
		if err != nil {
			return nil, err
		}
		remote.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
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

// scanBarAfter is how long a search runs before its progress is shown.
const scanBarAfter = 500 * time.Millisecond

// scanBar shows the progress of a long search, on a terminal only.
type scanBar struct {
	tell func(search.Progress)
	bar  *progressbar.ProgressBar
}

// newScanBar returns a bar on errs. It shows nothing where that is no terminal.
func newScanBar(errs io.Writer) *scanBar {
	b := &scanBar{}
	f, ok := errs.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return b
	}
	began := time.Now()
	b.tell = func(p search.Progress) {
		if time.Since(began) < scanBarAfter {
			return
		}
		if b.bar == nil {
			b.bar = progressbar.NewOptions(p.Blocks, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription("searching"),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
		}
		b.bar.Set(p.Done)
	}
	return b
}

// clear takes the bar off the terminal, so that results can be printed.
func (b *scanBar) clear() {
	if b.bar != nil {
		b.bar.Clear()
	}
}
