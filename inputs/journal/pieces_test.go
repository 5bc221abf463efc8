package journal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/syslane/syslane/inputs"
)

// pieces gives octets in pieces that end where cuts say.
type pieces struct {
	octets []byte
	at     int
	cuts   []int
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.cuts) > 0 && p.cuts[0] <= p.at {
		p.cuts = p.cuts[1:]
	}
	end := len(p.octets)
	if len(p.cuts) > 0 {
		end = p.cuts[0]
	}
	if p.at == len(p.octets) {
		return 0, io.EOF
	}
	n := copy(b, p.octets[p.at:end])
	p.at += n
	return n, nil
}

// uploaded is what a client sends in a row: entries with a text in either form, one that is
// sent again, and values that look like the format around them. texts are their messages.
func uploaded() (stream string, texts []string) {
	for i, text := range []string{"plain", "two\nlines", "plain", "\n\nMESSAGE=\n\n", "MESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00", "=", "\x00\xff\n", "last"} {
		stream += export(kv{"__CURSOR", cursorOf(journalS, bootA, i+1, i+1)}, kv{"PRIORITY", "6"}, kv{"DATA", "a\nMESSAGE=b\n\n"},
			kv{"MESSAGE", text}, kv{"NUMBER", fmt.Sprint(i)})
		texts = append(texts, text)
	}
	return stream, texts
}

// messagesOf returns the messages of the entries that src gives, with a buffer for them.
func messagesOf(t *testing.T, src io.Reader, buf []byte) (texts []string) {
	t.Helper()
	cfg := Config{Name: "t"}
	if err := cfg.setDefaults(); err != nil {
		t.Fatal(err)
	}
	r, e := &reader{src: src, buf: buf}, newEntry(&cfg)
	for {
		switch err := r.next(e); err {
		case nil:
			v, _ := e.value(message)
			texts = append(texts, string(v))
		case io.EOF:
			return texts
		default:
			t.Fatal(err)
		}
	}
}

func TestNoEntryLosesItsMessageWhereverTheUploadIsCut(t *testing.T) {
	stream, want := uploaded()
	stream, want = stream[:strings.LastIndex(stream[:strings.Index(stream, "NUMBER=2")], "__CURSOR")], want[:2]
	buf := make([]byte, readBuffer)
	for i := range stream {
		for j := i; j < len(stream); j++ {
			if got := messagesOf(t, &pieces{octets: []byte(stream), cuts: []int{i, j}}, buf); !slices.Equal(got, want) {
				t.Fatalf("cut at %d and %d: %q, want %q", i, j, got, want)
			}
		}
	}
}

// Empty lines before them make the end of the buffer fall on each octet of the entries.
func TestNoEntryLosesItsMessageWhereverTheBufferEnds(t *testing.T) {
	stream, want := uploaded()
	buf := make([]byte, readBuffer)
	all := strings.Repeat("\n", readBuffer) + stream
	for i := range len(stream) + 1 {
		if got := messagesOf(t, strings.NewReader(all[i:]), buf); !slices.Equal(got, want) {
			t.Fatalf("%d octets of the entries within the buffer: %q, want %q", i, got, want)
		}
	}
}

// borrowing looks twice at what it is lent.
type borrowing struct{ sink }

func (s *borrowing) SubmitSequence(ctx, turn context.Context, b *inputs.Batch, places []inputs.Place) error {
	before, frames := bytes.Clone(b.Data), slices.Clone(b.Frames)
	for range 10 {
		runtime.Gosched()
	}
	if !bytes.Equal(b.Data, before) || !slices.Equal(b.Frames, frames) {
		return fmt.Errorf("a batch of %d changes while it is submitted", len(frames))
	}
	return s.sink.SubmitSequence(ctx, turn, b, places)
}

func TestNoEntryLosesItsMessageInUploadsOneAfterTheOther(t *testing.T) {
	s := &borrowing{}
	in, _ := start(t, Config{}, s)
	stream, texts := uploaded()
	c, random := client(t, nil), rand.New(rand.NewPCG(1, 2))
	var want []string
	for range 5 {
		all := []byte(strings.Repeat(stream, 200))
		var cuts []int
		for at := 0; at < len(all); at += 1 + random.IntN(3000) {
			cuts = append(cuts, at)
		}
		if status, text, _ := post(t, c, request(t, in, &pieces{octets: all, cuts: cuts}, nil)); status != 202 {
			t.Fatalf("answered %d %s", status, text)
		}
		want = append(want, slices.Repeat(texts, 200)...)
	}
	if got := s.all(); !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("message %d is %q, want %q", i, got[i], want[i])
			}
		}
		t.Fatalf("%d messages are stored, want %d", len(got), len(want))
	}
}
