package soak

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/syslane"
)

// figures are what must not grow, and by how much a median may differ all the same: a
// part of it, and some more.
var figures = []struct {
	name   string
	unit   float64
	part   float64
	more   float64
	metric string // empty for the disk
}{
	{"resident memory, MiB", 1 << 20, 0.05, 4, "process_resident_memory_bytes"},
	{"heap in use, MiB", 1 << 20, 0.1, 4, "go_memstats_heap_inuse_bytes"},
	{"goroutines", 1, 0, 10, "go_goroutines"},
	{"threads", 1, 0, 4, "go_threads"},
	{"open files", 1, 0, 10, "process_open_fds"},
	{"disk, MiB", 1 << 20, 0.05, 64, ""},
}

// watch is what was seen of a node.
type watch struct {
	node *syslane.Node
	at   []time.Duration
	seen [][]float64 // for each look the figures
}

func (w *watch) look(t *testing.T, at time.Duration) {
	t.Helper()
	m, err := w.node.Metrics()
	if err != nil {
		t.Errorf("%s: %v", w.node.Role, err)
		return
	}
	row := make([]float64, len(figures))
	for i, f := range figures {
		value := m.Sum(f.metric)
		if f.metric == "" {
			value = diskUse(w.node.State)
		}
		if value <= 0 {
			t.Errorf("%s has no figure for %s", w.node.Role, f.name)
		}
		row[i] = value / f.unit
	}
	w.at, w.seen = append(w.at, at), append(w.seen, row)
}

// diskUse is the octets of all files in a folder. Files may vanish meanwhile.
func diskUse(dir string) (octets float64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				octets += float64(info.Size())
			}
		}
		return nil
	})
	return octets
}

// parts are in how many the time is cut for the table.
const parts = 8

// medians returns the medians of the looks from one part of the time to another, of the
// whole: 0.25 to 0.5 are the second quarter.
func (w *watch) medians(from, to float64) []float64 {
	n := float64(len(w.seen))
	looks := w.seen[int(from*n):int(to*n)]
	medians := make([]float64, len(figures))
	for i := range figures {
		values := make([]float64, 0, len(looks))
		for _, row := range looks {
			values = append(values, row[i])
		}
		slices.Sort(values)
		if len(values) > 0 {
			medians[i] = values[len(values)/2]
		}
	}
	return medians
}

// table shows the medians of each part of the time.
func (w *watch) table() string {
	var b strings.Builder
	b.WriteString("| until |")
	for _, f := range figures {
		fmt.Fprintf(&b, " %s |", f.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(figures)) + "\n")
	for p := range parts {
		end := int(float64(len(w.at)) * float64(p+1) / parts)
		if end == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %v |", w.at[end-1].Round(time.Second))
		for _, median := range w.medians(float64(p)/parts, float64(p+1)/parts) {
			fmt.Fprintf(&b, " %.1f |", median)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// judge fails the test where the last quarter has more than the second.
func (w *watch) judge(t *testing.T) {
	t.Helper()
	early, late := w.medians(0.25, 0.5), w.medians(0.75, 1)
	for i, f := range figures {
		if late[i] > early[i]*(1+f.part)+f.more {
			t.Errorf("%s: %s grew from %.1f in the second quarter to %.1f in the last", w.node.Role, f.name, early[i], late[i])
		}
	}
}
