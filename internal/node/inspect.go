package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

// Severity is how much a Finding matters.
type Severity int

const (
	// Note is for what is as it should be, and might surprise.
	Note Severity = iota
	// Warning is for what works today.
	Warning
	// Failure is for what does not work.
	Failure
)

// Finding is what Inspect has to say about one value of the configuration.
type Finding struct {
	Pos      config.Pos
	Key      string
	Severity Severity
	// Text says what is found and, behind a semicolon, what to do.
	Text string
}

// String returns "file:line:column: key: text", with the severity before the key
// where it is no Failure.
func (f Finding) String() string {
	at := ""
	if pos := f.Pos.String(); pos != "" {
		at = pos + ": "
	}
	at += [...]string{"note: ", "warning: ", ""}[f.Severity]
	return at + f.Key + ": " + f.Text
}

// Inspection says what Inspect looks at beside the file.
type Inspection struct {
	// States are the folders to look into for a running Syslane, and for what is
	// there, where neither the file nor Options name one.
	States []string
	// Online asks what the outputs and channels send to.
	Online bool
}

// Inspect looks for what keeps the plan from working on this machine, now and as this
// user: certificates, addresses, folders, space, and with Online the servers that are
// sent to. It binds addresses for a moment and writes nothing. The findings are in the
// order of the file.
func (p *Plan) Inspect(ctx context.Context, o Inspection) []Finding {
	i := &inspector{plan: p, states: o.States}
	i.inspectState()
	i.inspectNames()
	i.inspectCertificates()
	i.inspectAddresses()
	i.inspectPaths()
	if o.Online {
		i.inspectServers(ctx)
	}
	slices.SortStableFunc(i.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return i.findings
}

// inspector gathers findings.
type inspector struct {
	plan *Plan
	// states are the folders that may be the state folder; one where it is named.
	states  []string
	running []*Running

	mu       sync.Mutex // guards findings
	findings []Finding
}

// add takes a finding about a key of t, as Errorf takes it.
func (i *inspector) add(s Severity, t config.Table, key, format string, args ...any) {
	f := Finding{Severity: s, Text: fmt.Sprintf(format, args...)}
	f.Pos, f.Key = t.At(key)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.findings = append(i.findings, f)
}

// inspectNames looks for outputs whose place in the log is kept under a name that they
// have from where they stand in the file.
func (i *inspector) inspectNames() {
	types := make(map[string]bool)
	for _, out := range i.plan.Outputs {
		kind := out.table.Text("type")
		if types[kind] && !out.table.Has("name") {
			i.add(Warning, out.table, "type", "this output is called %q because it is not the first of its type, and its place in the log is kept under that name; give each a name, that they keep when the order changes", out.Name)
		}
		types[kind] = true
	}
}

// certificates is one tls table.
type certificates struct {
	table   config.Table
	key     string
	options tlsconf.Options
}

// note remembers the table tls of t.
func (s *services) note(t config.Table, o tlsconf.Options) {
	*s.certificates = append(*s.certificates, certificates{t, "tls", o})
}
