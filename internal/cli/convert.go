package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/convert/rsyslog"
	"github.com/syslane/syslane/internal/convert/syslogng"
	"github.com/syslane/syslane/internal/node"
)

// maxForeign bounds a file that is converted, in octets.
const maxForeign = 4 << 20

func newConvertCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "convert [--from rsyslog|syslog-ng] FILE",
		Short: "Translate a configuration of rsyslog or syslog-ng",
		Long: `Translate a configuration of rsyslog or syslog-ng, with the files that it includes,
into one of Syslane, on the standard output. What has no translation is listed at its
top with file, line and reason; what needs none at its end. FILE "-" is the standard
input.

The result is checked as "syslane check" does, and what is wrong with it, as a
certificate that is not there, is said on the standard error. Nothing is changed.

  syslane convert /etc/rsyslog.conf >relay.toml
  syslane check relay.toml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readForeign(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			draft, err := translate(from, args[0], text)
			if err != nil {
				return err
			}
			out := draft.TOML(args[0])
			if _, err := io.WriteString(cmd.OutOrStdout(), out); err != nil {
				return err
			}
			return sayOfDraft(cmd.ErrOrStderr(), draft, out)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the language of the file: rsyslog or syslog-ng (default: told by what is in it)")
	return cmd
}

func readForeign(name string, in io.Reader) (string, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxForeign+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxForeign {
		return "", fmt.Errorf("%s: larger than %s; is it a configuration?", name, config.Size(maxForeign))
	}
	return string(text), nil
}

var syslogNGStatement = regexp.MustCompile(`(?m)^\s*(@version:|(source|destination|filter)\s+[\w-]+\s*\{|log\s*\{|options\s*\{)`)

// translate translates a text of a language, or of the one that it looks like.
func translate(from, name, text string) (*convert.Draft, error) {
	if from == "" {
		from = "rsyslog"
		if syslogNGStatement.MatchString(text) {
			from = "syslog-ng"
		}
	}
	source := included(filepath.Dir(name))
	switch from {
	case "rsyslog":
		return rsyslog.Translate(rsyslog.File{Name: name, Text: text}, rsyslogFiles{source}), nil
	case "syslog-ng":
		return syslogng.Translate(syslogng.File{Name: name, Text: text}, syslogNGFiles{source}), nil
	}
	return nil, fmt.Errorf("--from %q: want rsyslog or syslog-ng", from)
}

// sayOfDraft says how much was translated, and what a start would find wrong.
func sayOfDraft(w io.Writer, draft *convert.Draft, toml string) error {
	if n := len(draft.Lost); n > 0 {
		fmt.Fprintf(w, "syslane: statements without a translation: %d; they are listed at the top\n", n)
	}
	f, err := config.Parse("the result", []byte(toml))
	if err == nil {
		_, err = node.Load(f, node.Options{Version: version(), NewLogger: func(node.LoggingConfig) zerolog.Logger { return zerolog.Nop() }})
	}
	if err != nil {
		fmt.Fprintf(w, "syslane: to be mended before it starts:\n%v\n", err)
	}
	return nil
}

// included is the folder where the names of included files begin.
type included string

// each calls f with the text of each file that a pattern names, in the order of
// names: of a folder all that is in it.
func (dir included) each(pattern string, f func(name, text string)) error {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(string(dir), pattern)
	}
	if info, err := os.Stat(pattern); err == nil && info.IsDir() {
		pattern = filepath.Join(pattern, "*")
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("include %s: %w", pattern, err)
	}
	// As with glob(3) an asterisk stands for no dot in front: what editors leave is not read.
	if !strings.HasPrefix(filepath.Base(pattern), ".") {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(filepath.Base(name), ".") })
	}
	if len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
		return fmt.Errorf("include %s: %w", pattern, fs.ErrNotExist)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, err := readForeign(name, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		f(name, text)
	}
	return errors.Join(errs...)
}

type rsyslogFiles struct{ included }

func (r rsyslogFiles) Include(pattern string) (files []rsyslog.File, err error) {
	err = r.each(pattern, func(name, text string) { files = append(files, rsyslog.File{Name: name, Text: text}) })
	return files, err
}

type syslogNGFiles struct{ included }

func (s syslogNGFiles) Include(pattern string) (files []syslogng.File, err error) {
	err = s.each(pattern, func(name, text string) { files = append(files, syslogng.File{Name: name, Text: text}) })
	return files, err
}
