package spool

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// followInterval is how often a log that another process writes is looked at.
const followInterval = 100 * time.Millisecond

// Follower reads a view in order and waits for what is appended. It is for one
// goroutine.
type Follower struct {
	live *Reader // nil beside a running process

	view   *View
	reader *BlockReader
	pos    uint64
	segs   []Segment // still to be looked at, newest first
	blocks []BlockInfo
	seg    Segment // of blocks
}

// Follow returns a follower whose first record is that at pos, or the oldest kept.
// It is closed by its user.
func (v *View) Follow(pos uint64) *Follower {
	if v.live != nil {
		return &Follower{live: v.live.NewReader(pos)}
	}
	return &Follower{view: v, reader: v.NewBlockReader(), pos: max(pos, 1)}
}

// Close frees what the follower holds.
func (f *Follower) Close() error {
	if f.live != nil {
		return f.live.Close()
	}
	return f.reader.Close()
}

// Next returns the records of the next block, waiting for them to be appended, as
// Reader.Next does; they are valid until the next call. What cannot be read shows as
// Block.Missing.
func (f *Follower) Next(ctx context.Context) (Block, error) {
	if f.live != nil {
		return f.live.Next(ctx)
	}
	want := f.pos
	for {
		if err := ctx.Err(); err != nil {
			return Block{}, err
		}
		if len(f.blocks) == 0 {
			found, err := f.look()
			if err != nil {
				return Block{}, err
			}
			if !found {
				select {
				case <-ctx.Done():
				case <-time.After(followInterval):
				}
			}
			continue
		}
		info := f.blocks[0]
		f.blocks = f.blocks[1:]
		b, err := f.reader.Read(f.seg, info)
		if errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
			continue // it shows as missing
		}
		if err != nil {
			return Block{}, err
		}
		b.trim(f.pos)
		if b.Count == 0 {
			continue
		}
		f.pos = b.Next()
		b.Missing = b.First - want
		return b, nil
	}
}

// look lists the blocks of the oldest segment that has some at or behind f.pos.
func (f *Follower) look() (found bool, err error) {
	if f.segs, err = f.view.Segments(); err != nil {
		return false, err
	}
	for _, s := range slices.Backward(f.segs) {
		if s.Next <= f.pos {
			continue
		}
		if f.blocks, err = f.view.Blocks(f.blocks[:0], s); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return false, err
		}
		f.seg = s
		i := slices.IndexFunc(f.blocks, func(b BlockInfo) bool { return b.First+uint64(b.Count) > f.pos })
		if i >= 0 {
			f.blocks = f.blocks[i:]
			return true, nil
		}
		f.blocks = f.blocks[:0]
	}
	return false, nil
}

// Head returns the position behind the newest record.
func (v *View) Head() (uint64, error) {
	if v.live != nil {
		return v.live.Head(), nil
	}
	segs, err := v.Segments()
	if err != nil || len(segs) == 0 {
		return 1, err
	}
	return v.endOf(segs[0])
}
