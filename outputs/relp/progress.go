package relp

import (
	"slices"

	"github.com/syslane/syslane/outputs"
)

// maxRefusals is how often a message is refused before it is rejected for good.
// Between one time and the next lies the pause of the delivery, so a server
// that refuses for a while, say because its disk is full, costs no message.
const maxRefusals = 8

// progress is what is known about a batch over several attempts to write it: an
// attempt that fails half way must not send again what was acknowledged.
type progress struct {
	stream string
	first  uint64
	// owned has a bit for each record that a server has acknowledged, or that
	// was rejected.
	owned    []uint64
	rejected []outputs.Rejection
	refused  map[int]int
	// lost counts the attempts in a row that ended with the connection lost
	// and nothing acknowledged.
	lost int
	// most is the number of records that a batch on the link may have, 0 for no
	// such limit: it is halved to find the record for which batches are refused.
	most int
}

// begin prepares for a batch: what is known is kept where the batch starts with
// the same event as the one before, else forgotten.
func (p *progress) begin(b *outputs.Batch) {
	if p.stream != b.Stream || p.first != b.First {
		p.stream, p.first = b.Stream, b.First
		p.forget()
	}
	if words := (b.Count + 63) / 64; words > len(p.owned) {
		p.owned = append(p.owned, make([]uint64, words-len(p.owned))...)
	}
}

func (p *progress) forget() {
	clear(p.owned)
	p.rejected = nil
	p.refused = nil
	p.lost, p.most = 0, 0
}

func (p *progress) isOwned(i int) bool { return p.owned[i/64]&(1<<(i%64)) != 0 }

func (p *progress) own(first, count int) {
	for i := first; i < first+count; i++ {
		p.owned[i/64] |= 1 << (i % 64)
	}
}

// left returns the index of the first record not owned, and how many there are.
func (p *progress) left(count int) (first, n int) {
	first = count
	for i := count - 1; i >= 0; i-- {
		if !p.isOwned(i) {
			first = i
			n++
		}
	}
	return first, n
}

// prefix is how many events at the beginning are owned: what targets.Lane.Write
// returns beside an error. Rejections are not passed on; another target finds
// them again.
func (p *progress) prefix(count int) int {
	if len(p.rejected) > 0 {
		return 0
	}
	first, _ := p.left(count)
	return first
}

// refuse counts a refusal of record i and rejects it once there were too many.
func (p *progress) refuse(i, code int, reason string) {
	if p.refused == nil {
		p.refused = make(map[int]int)
	}
	if p.refused[i]++; p.refused[i] >= maxRefusals {
		p.reject(i, code, reason)
	}
}

func (p *progress) reject(i, code int, reason string) {
	p.own(i, 1)
	p.rejected = append(p.rejected, outputs.Rejection{Index: i, Status: code, Reason: reason})
}

// result is what Write returns once every record is owned.
func (p *progress) result(count int) error {
	rejected := slices.DeleteFunc(p.rejected, func(r outputs.Rejection) bool { return r.Index >= count })
	p.first, p.stream = 0, ""
	p.forget()
	if len(rejected) == 0 {
		return nil
	}
	slices.SortFunc(rejected, func(a, b outputs.Rejection) int { return a.Index - b.Index })
	return &outputs.Rejected{Items: rejected}
}
