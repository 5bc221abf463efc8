package search

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	headers "github.com/syslane/syslane/parser"
	"github.com/syslane/syslane/spool"
)

// blocksOf returns the fenced blocks of a kind.
func blocksOf(doc, kind string) (blocks []string) {
	for _, part := range strings.Split(doc, "\n```"+kind+"\n")[1:] {
		text, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, text)
	}
	return blocks
}

func TestEveryExampleOfTheQueryLanguageIsTrue(t *testing.T) {
	text, err := os.ReadFile("../docs/QUERY.md")
	if err != nil {
		t.Fatal(err)
	}
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, MinFree: -1, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i, line := range strings.Split(blocksOf(string(text), "log")[0], "\n") {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(0, 0), [4]byte{}, uint32(i))}
		e.Raw = []byte(line)
		headers.Parse(&e.Message, &headers.Options{Received: time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC)})
		b := spool.Batch{Records: syslog.AppendRecord(nil, &e), Count: 1, MinTime: e.TimeNano(), MaxTime: e.TimeNano()}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	examples := blocksOf(string(text), "query")
	if len(examples) < 15 {
		t.Fatalf("%d examples", len(examples))
	}
	stages := map[string]bool{}
	for _, example := range examples {
		lines := strings.Split(example, "\n")
		query, want := lines[0], lines[1:]
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []string
		_, err = NewLocal(l.View()).Search(context.Background(), Request{Query: query}, func(doc []byte) error {
			if q.Columns() == nil {
				doc, err = AppendText(nil, doc, time.UTC)
			}
			got = append(got, string(doc))
			return err
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s\n%v", query, strings.Join(got, "\n"), strings.Join(want, "\n"), err)
		}
		if q.pipe.group != nil {
			stages[q.pipe.group.kind] = true
		}
		for _, op := range q.pipe.ops {
			stages[op.kind] = true
		}
	}
	for _, name := range stageNames {
		if !stages[name] || !strings.Contains(string(text), "\n### "+name) && !strings.Contains(string(text), ", "+name+" [N]\n") {
			t.Errorf("stage %s has no section or no example", name)
		}
	}
}
