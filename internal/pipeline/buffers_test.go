package pipeline

import "testing"

func TestABufferHasRoomAndNotMuchMore(t *testing.T) {
	var b buffers
	for n := 0; n < 5<<20; n += 1 + n/7 {
		for _, size := range []int{n, sizeFor(n), sizeFor(n) + 1} {
			buf := b.get(size)
			if got := cap(*buf); got < size || got > max(4<<10, size+size/2+1) {
				t.Fatalf("for %d octets it has %d", size, got)
			}
			if cap(*buf) != sizeFor(size) {
				t.Fatalf("for %d octets it has %d, not the %d that were said", size, cap(*buf), sizeFor(size))
			}
			*buf = append(*buf, 1)
			b.put(buf)
		}
	}
}

func TestABufferThatGrewIsUsedForWhatItHolds(t *testing.T) {
	var b buffers
	for _, size := range []int{1, 4<<10 - 1, 4 << 10, 5000, 6 << 10, 100_000, 4<<20 - 1, 4 << 20, 4<<20 + 1} {
		buf := make([]byte, 7, max(7, size))
		b.put(&buf)
		for want := 1; want < 5<<20; want *= 2 {
			if got := b.get(want); len(*got) > 0 || cap(*got) < want {
				t.Fatalf("after one of %d octets: for %d it has %d, of which %d are used", size, want, cap(*got), len(*got))
			}
		}
	}
}
