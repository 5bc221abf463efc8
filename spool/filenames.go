package spool

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/vfs"
)

// Names on disk. They are part of the format: docs/SPOOL_FORMAT.md.
const (
	lockName      = "lock"
	idName        = "log.id"
	cursorsDir    = "cursors"
	segmentSuffix = ".seg"
	indexSuffix   = ".idx"
	cursorSuffix  = ".cursor"
	prevSuffix    = ".prev"
	badSuffix     = ".bad"
	tempSuffix    = vfs.TempSuffix

	filePerm = 0o640
	dirPerm  = 0o750
)

// segmentName is the name of the segment that starts at a position: twenty
// digits, so that names sort as positions do.
func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

// parseSegmentName is the reverse; false for every other name.
func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil && first > 0 && first <= maxPosition
}

// indexPath is the path of the index of a segment.
func indexPath(segment string) string { return segment + indexSuffix }

// trimIndexSuffix is the reverse.
func trimIndexSuffix(index string) string { return strings.TrimSuffix(index, indexSuffix) }

// cursorFileName writes the name of a cursor so that it is a file name anywhere:
// octets other than letters, digits, '-', '_' and '.' within become %XX.
func cursorFileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String() + cursorSuffix
}

// parseCursorFileName is the reverse; false for every other name.
func parseCursorFileName(file string) (name string, ok bool) {
	stem, ok := strings.CutSuffix(file, cursorSuffix)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(stem); i++ {
		if stem[i] != '%' {
			b.WriteByte(stem[i])
			continue
		}
		if i+3 > len(stem) {
			return "", false
		}
		c, err := strconv.ParseUint(stem[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	name = b.String()
	return name, name != "" && len(name) <= MaxCursorName && cursorFileName(name) == file
}

func (l *Log) segmentPath(first uint64) string {
	return filepath.Join(l.cfg.Dir, segmentName(first))
}

func (l *Log) cursorPath(name string) string {
	return filepath.Join(l.cfg.Dir, cursorsDir, cursorFileName(name))
}
