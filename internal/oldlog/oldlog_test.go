package oldlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/syslane/syslane/internal/syslog"
)

func write(t testing.TB, name string, content []byte, modified time.Time) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatal(err)
	}
	return path
}

// read returns the survey of a file and its messages as "time text".
func read(t testing.TB, path string, o Options) (*Survey, []string) {
	t.Helper()
	s, err := Take(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := s.Each(context.Background(), path, o, func(n uint64, m *syslog.Message) error {
		if int(n) != len(got) {
			t.Errorf("message %d has number %d", len(got), n)
		}
		got = append(got, strings.TrimSpace(m.Time().Format("2006-01-02")+" "+string(m.Field(m.Text))))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s, got
}

func TestTheYearIsInferredFromTheOrderAndTheFilesAge(t *testing.T) {
	f := func(modified string, stamps ...string) {
		t.Helper()
		var content strings.Builder
		var want []string
		for _, s := range stamps {
			date, err := time.Parse("2006-01-02", s)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&content, "%s host app: text\n", date.Format("Jan _2 15:04:05"))
			want = append(want, s+" text")
		}
		m, err := time.Parse("2006-01-02", modified)
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, "log", []byte(content.String()), m.Add(12*time.Hour))
		if _, got := read(t, path, Options{Location: time.UTC}); !slices.Equal(got, want) {
			t.Errorf("file of %s:\n got %q\nwant %q", modified, got, want)
		}
	}
	f("2020-06-15", "2020-06-14", "2020-06-15")
	f("2020-06-15", "2019-06-20", "2019-12-31", "2020-01-01", "2020-06-15")
	f("2020-06-15", "2018-03-01", "2018-11-11", "2019-02-02", "2019-12-31", "2020-01-01")
	f("2020-01-02", "2019-12-30", "2019-12-31") // rotated after the turn of the year
	f("2020-01-01", "2019-12-31", "2020-01-01", "2019-12-31", "2020-01-01")
	f("2020-03-02", "2020-03-01", "2020-02-28", "2020-03-01") // late, not a year later
	f("2021-03-02", "2020-02-29", "2020-12-01", "2021-03-01")
	f("2023-03-02", "2020-02-29", "2020-12-01", "2021-11-01", "2022-10-01", "2022-11-30", "2023-02-28")
	f("2019-12-31", "2020-01-01") // a clock ahead, or a zone
	f("2015-07-01", "2015-06-30")
}

func TestLinesThatNameTheirYearKeepIt(t *testing.T) {
	content := "2016-05-04T03:02:01Z host app: iso\n<13>1 2017-05-04T03:02:01Z host app - - - five\nno time\nDec 31 23:59:59 host app: bsd\n"
	path := write(t, "log", []byte(content), time.Date(2020, 1, 5, 0, 0, 0, 0, time.UTC))
	_, got := read(t, path, Options{Location: time.UTC})
	if want := []string{"2016-05-04 iso", "2017-05-04 five", "0001-01-01 no time", "2019-12-31 bsd"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func gzipped(t testing.TB, content []byte, modified time.Time) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.ModTime = modified
	w.Write(content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, content []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

func TestCompressedFilesAreTheSameAsPlainOnes(t *testing.T) {
	content := []byte("Oct 11 22:14:15 host app: one\n\nOct 12 22:14:15 host app: two\r\nOct 13 22:14:15 host app: three")
	age := time.Date(2012, 11, 1, 0, 0, 0, 0, time.UTC)
	want := []string{"2012-10-11 one", "2012-10-12 two", "2012-10-13 three"}
	var prints [][16]byte
	for name, file := range map[string][]byte{"log": content, "log.zst": zstded(t, content),
		"log.gz": gzipped(t, content, time.Time{}), "two.gz": append(gzipped(t, content[:20], time.Time{}), gzipped(t, content[20:], time.Time{})...)} {
		read1 := 0
		o := Options{Location: time.UTC, Read: func(n int) { read1 += n }}
		s, got := read(t, write(t, name, file, age), o)
		if !slices.Equal(got, want) || s.Messages != 3 || s.Damage != nil {
			t.Errorf("%s: %q, %+v", name, got, s)
		}
		if read1 != 2*len(file) {
			t.Errorf("%s: %d octets were reported as read, want %d", name, read1, 2*len(file))
		}
		prints = append(prints, s.Fingerprint)
	}
	for _, p := range prints {
		if p != prints[0] {
			t.Error("the fingerprints differ")
		}
	}
	// A file compressed anew years later still says how old its content is.
	late := write(t, "late.gz", gzipped(t, content, age), age.AddDate(5, 0, 0))
	if _, got := read(t, late, Options{Location: time.UTC}); !slices.Equal(got, want) {
		t.Errorf("late: %q", got)
	}
}

func TestADamagedFileGivesWhatCameBefore(t *testing.T) {
	var content []byte
	for i := range 100_000 {
		content = fmt.Appendf(content, "Oct 11 22:14:15 host app: line %d %x\n", i, i*i*i)
	}
	for name, whole := range map[string][]byte{"gz": gzipped(t, content, time.Time{}), "zst": zstded(t, content)} {
		path := write(t, name, whole[:len(whole)/2], time.Now())
		s, got := read(t, path, Options{})
		if !errors.Is(s.Damage, ErrDamaged) || len(got) == 0 || len(got) >= 100_000 {
			t.Errorf("%s: %d messages, damage %v", name, len(got), s.Damage)
		}
	}
	if _, err := Take(context.Background(), write(t, "bad.gz", []byte("\x1f\x8bxx"), time.Now()), Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("error is %v", err)
	}
	if _, err := Take(context.Background(), write(t, "a.xz", []byte("\xfd7zXZ\x00rest"), time.Now()), Options{}); err == nil {
		t.Error("xz was taken for text")
	}
	if _, err := Take(context.Background(), t.TempDir(), Options{}); err == nil {
		t.Error("a folder was taken for a file")
	}
}

func TestLongLinesAreCut(t *testing.T) {
	x := strings.Repeat("x", 1<<20)
	l := newLines(strings.NewReader(x[:100]+"\n"+x[:101]+"\r\n"+x+"\n"+"y\n"+x), 100)
	for i, want := range []string{x[:100], x[:100], x[:100], "y", x[:100]} {
		text, w, err := l.next()
		if err != nil || string(text) != want || (w == syslog.WarnTruncated) != (i%2 == 1 && i < 3 || i == 2 || i == 4) {
			t.Errorf("line %d: %.20q… of %d, %v, %v", i, text, len(text), w.Names(nil), err)
		}
	}
}

func FuzzReadAnyFile(f *testing.F) {
	text := []byte("Oct 11 22:14:15 host app: one\nJan  1 00:00:00 host app: two\n")
	f.Add(text)
	f.Add(gzipped(f, text, time.Time{}))
	f.Add(zstded(f, text))
	path := filepath.Join(f.TempDir(), fmt.Sprint(os.Getpid()))
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Take(context.Background(), path, Options{MaxMessageSize: 64})
		if err != nil {
			return
		}
		n := uint64(0)
		if err := s.Each(context.Background(), path, Options{MaxMessageSize: 64}, func(uint64, *syslog.Message) error { n++; return nil }); err != nil || n != s.Messages {
			t.Errorf("%d messages, then %d: %v", s.Messages, n, err)
		}
	})
}
