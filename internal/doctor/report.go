// Package doctor gathers what a report of a fault needs, without secrets, and says what
// looks wrong.
//
// Two nets hold secrets back. Of a configuration only values are shown that cannot be
// one (Configuration). What is hidden there, and what it stands for in files and the
// environment, is then looked for in everything else that was gathered, as are the usual
// forms of credentials (Report).
package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/redact"
)

// Report is what was gathered: texts by name.
type Report struct {
	parts   []part
	secrets []string
	forms   *redact.Redactor
}

type part struct{ name, text string }

// minSecret is the least length of a secret that is looked for, in octets: shorter
// ones are in every text.
const minSecret = 4

// maxPart bounds a text of a report, in octets; of longer ones the end is kept.
const maxPart = 4 << 20

// NewReport returns an empty report. What was hidden in a configuration is never
// written.
func NewReport(secrets []string) (*Report, error) {
	forms, err := redact.New(redact.Config{Named: []string{"email", "token"}, Replacement: hidden})
	if err != nil {
		return nil, err
	}
	r := &Report{forms: forms}
	for _, s := range secrets {
		if len(s) >= minSecret {
			r.secrets = append(r.secrets, s)
		}
	}
	// A secret may be part of another: the longer goes first.
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r, nil
}

// Add adds a text under a name, as it may be shown.
func (r *Report) Add(name, text string) {
	if len(text) > maxPart {
		text = "…\n" + text[len(text)-maxPart:]
	}
	r.parts = append(r.parts, part{name, r.Clean(text)})
}

// Clean takes secrets out of a text.
func (r *Report) Clean(text string) string {
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	// Line by line: one that cannot be cleaned goes alone.
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(r.forms.Text(strings.TrimSuffix(line, "\n")))
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Text writes the report as one text.
func (r *Report) Text(w io.Writer) error {
	for _, p := range r.parts {
		if _, err := fmt.Fprintf(w, "===== %s =====\n%s\n", p.name, strings.TrimRight(p.text, "\n")); err != nil {
			return err
		}
	}
	return nil
}

// Archive writes the report as a compressed archive of files in one folder.
func (r *Report) Archive(w io.Writer, folder string, now time.Time) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	for _, p := range r.parts {
		head := &tar.Header{Name: folder + "/" + p.name, Mode: 0o600, Size: int64(len(p.text)), ModTime: now}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		if _, err := io.Copy(archive, bytes.NewBufferString(p.text)); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zipped.Close()
}
