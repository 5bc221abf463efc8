package relp

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/syslane/syslane/inputs"
)

func TestStampsTellWhatDoesNotComeASecondTime(t *testing.T) {
	f := func(data string, value uint64, fine bool) {
		t.Helper()
		if got, want := stampOf([]byte(data)), (stamp{value, fine}); got != want {
			t.Errorf("%q has the stamp %+v, want %+v", data, got, want)
		}
	}
	f("<13>1 2026-01-02T03:04:05.678901Z host", 260102030405678901, true)
	f("<13>1 2026-01-02T03:04:05.678901+02:00 host", 260102030405678901, true)
	f("<191>2026-01-02T03:04:05.678901+02:00 host app: as rsyslog forwards", 260102030405678901, true)
	f("<0>2026-01-02T03:04:05.678Z milliseconds", 260102030405678000, false)
	f("<0>2026-01-02T03:04:05.678000Z milliseconds, filled up", 260102030405678000, false)
	f("<0>2026-01-02T03:04:05.678900123Z nanoseconds", 260102030405678900, true)
	f("<0>2026-01-02T03:04:05.6789Z four digits", 260102030405678900, false)
	f("<13>1 2026-01-02T03:04:05.67Z hundredths", 0, false)
	f("<13>1 2026-01-02T03:04:05.000Z no fraction", 0, false)
	f("<13>1 2026-01-02T03:04:05Z seconds", 0, false)
	f("<13>1 2026-01-02T03:04:05.", 0, false)
	f("<13>Jan  2 03:04:05 host app: text", 0, false)
	f("<13>1 2026-01-02 03:04:05.678901Z host", 0, false)
	f("2026-01-02T03:04:05.678901Z without PRI", 0, false)
	f("<13>1 - host app", 0, false)
	f("<13>1", 0, false)
	f("<", 0, false)
	f("", 0, false)
}

// Lines of these tests are written as letters, each a message: a capital one has
// a microsecond for itself, a digit is one of milliseconds, a small one has seconds.
func TestARunIsKnownWhereItReachesTheEndOfATailAndHasAWitness(t *testing.T) {
	tailOf := func(letters string) (tail inputs.Tail) {
		for _, l := range letters {
			tail.Hashes = append(tail.Hashes, uint64(l))
		}
		return tail
	}
	stampsOf := func(l byte) stamp {
		switch {
		case 'A' <= l && l <= 'Z':
			return stamp{uint64(l), true}
		case '0' <= l && l <= '9':
			return stamp{uint64(l), false}
		}
		return stamp{}
	}
	f := func(session string, want int, tails ...string) {
		t.Helper()
		var all []inputs.Tail
		for _, letters := range tails {
			all = append(all, tailOf(letters))
		}
		got, r := 0, newRun(all, uint64(session[0]))
		for i := 0; got == 0 && i < len(session); i++ {
			if reached := r.add(uint64(session[i]), stampsOf(session[i])); reached != nil {
				got = i + 1
			} else if !r.open() {
				break
			}
		}
		if got != want {
			t.Errorf("of %q after %q %d are known, want %d", session, tails, got, want)
		}
	}
	f("CDEF", 2, "ABCD")
	f("DEF", 1, "ABCD")
	f("ABCDE", 4, "ABCD")
	f("EFG", 0, "ABCD")
	f("BCX", 0, "ABCD") // it leaves the tail before its end
	f("BC", 0, "ABCD")  // it may go on yet
	// Without a microsecond it takes two stamps that differ.
	f("12a", 2, "0a12")
	f("2ab", 0, "0a12")
	f("ab", 0, "ab")
	f("aBc", 3, "xaBc")
	f("a1b", 0, "a1b")
	f("a1b2", 4, "a1b2")
	// A line that repeats is no witness.
	f("A", 0, "A0A")
	f("AA", 0, "AA")
	f("AAB", 0, "AA")
	f("BAA", 3, "BAA")
	// The first may be stored and the second, its equal, not yet.
	f("AA", 1, "BA")
	// Of two tails the one whose end is reached first counts.
	f("CDE", 2, "ABCDE", "XCD")
	f("CDE", 3, "ABCDE", "XDD")
	// Nothing was stored.
	f("A", 0)
	f("A", 0, "")
}

// A peer that has but one line, thousands of times, does not make us slow.
func TestARunOfEqualLinesTakesLittleTime(t *testing.T) {
	tail := inputs.Tail{Hashes: make([]uint64, 2*inputs.MaxTail)}
	var tails []inputs.Tail
	for range 8 {
		tails = append(tails, tail)
	}
	r := newRun(tails, 0)
	for range inputs.MaxTail {
		if r.add(0, stamp{1, true}) != nil {
			t.Fatal("equal lines are their own witness")
		}
	}
}

// Anyone who may connect can leave as many tails as are kept, and then begin a session
// on each of very many connections with what all of them hold.
func TestARunTakesLittleMemoryWhateverIsRemembered(t *testing.T) {
	f := func(name string, tails, each int, hashOf func(i int) uint64) {
		t.Helper()
		all := make([]inputs.Tail, tails)
		for i := range all {
			all[i].Hashes = make([]uint64, each)
			for j := range all[i].Hashes {
				all[i].Hashes[j] = hashOf(j)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := newRun(all, 7)
		r.add(7, stamp{1, true})
		runtime.ReadMemStats(&after)
		if !r.open() {
			t.Errorf("%s: the run is over with its first message", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 512<<10 {
			t.Errorf("%s: a run takes %d octets", name, n)
		}
	}
	f("all begin with the message", 4096, 128, func(i int) uint64 { return uint64(7 + i) })
	f("all are that message", 32, 2*inputs.MaxTail, func(int) uint64 { return 7 })
}

func TestOfVeryManyTailsARunKnowsThoseThatMovedLast(t *testing.T) {
	var all []inputs.Tail
	for i := range 10 * maxCandidates {
		// The first message has no stamp; the second has, and differs.
		all = append(all, inputs.Tail{Hashes: []uint64{7, uint64(100 + i)}, Moved: uint64(i*7919) % 997})
	}
	slices.SortFunc(all, func(a, b inputs.Tail) int { return cmp.Compare(b.Moved, a.Moved) })
	for i, want := range map[int]bool{0: true, maxCandidates - 1: true, maxCandidates: false} {
		second := all[i].Hashes[1]
		tails := slices.Clone(all)
		rand.Shuffle(len(tails), func(i, j int) { tails[i], tails[j] = tails[j], tails[i] })
		r := newRun(tails, 7)
		r.add(7, stamp{})
		if got := r.add(second, stamp{second, true}) != nil; got != want {
			t.Errorf("the tail that moved after all but %d others is known: %v, want %v", i, got, want)
		}
	}
}

func TestWhereALineRepeatsTheRunMayBeginAtTheLastOfThem(t *testing.T) {
	hashes := make([]uint64, 10*maxStarts)
	hashes[len(hashes)-1] = 9
	for n, want := range map[int]bool{1: true, maxStarts: true, maxStarts + 1: false} {
		r := newRun([]inputs.Tail{{Hashes: hashes}}, 0)
		for range n {
			r.add(0, stamp{})
		}
		if got := r.add(9, stamp{1, true}) != nil; got != want {
			t.Errorf("a run of %d equal lines and the last is known: %v, want %v", n, got, want)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for _, n := range []int{134, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, data := &conn{seed: 7}, make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				c.hashOf(data)
			}
		})
	}
}
