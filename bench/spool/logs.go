package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/syslane/syslane/spool"
	"github.com/tidwall/wal"
)

// load is how messages are appended: what appenders at once hand over, and wait for,
// is on the disk when they go on.
type load struct {
	appenders int
	perBatch  int // messages in each append
}

func (w load) String() string {
	if w.perBatch == 1 {
		return fmt.Sprintf("%d at once, single messages", w.appenders)
	}
	return fmt.Sprintf("%d at once, %d messages each", w.appenders, w.perBatch)
}

// The loads of the logs alone: a few senders with full buffers, as of plain TCP; a
// relay's hosts with a RELP window each; and hosts that say something now and then.
var loads = []load{{4, 200}, {32, 100}, {32, 1}}

// messages is how many are appended, at least so many that several segments fill.
func (w load) messages(b *bench) int {
	if w.perBatch == 1 {
		return b.count / 50
	}
	return 10 * b.count / w.perBatch * w.perBatch
}

func logs() []subject {
	var all []subject
	for _, w := range loads {
		for _, codec := range []spool.Codec{spool.CodecNone, spool.CodecS2, spool.CodecZstd} {
			all = append(all, subject{fmt.Sprintf("log alone, %s, %v", codec, w), true,
				func(b *bench) (result, error) { return measureSpool(b, w, codec) }})
		}
		all = append(all, subject{fmt.Sprintf("tidwall/wal alone, %v", w), true,
			func(b *bench) (result, error) { return measureWAL(b, w) }})
	}
	return all
}

// poolSize is how many different messages are appended, again and again: few enough
// to be in the processor's cache, as messages that have just been parsed are, and so
// many that no block holds one twice.
const poolSize = 6000

// ownCPU returns the CPU time of this process.
func ownCPU() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// spent fills in what count messages cost since then.
func spent(count int, then time.Time, cpu time.Duration) (perSecond, perMillion float64) {
	return float64(count) / time.Since(then).Seconds(), (ownCPU() - cpu).Seconds() / float64(count) * 1e6
}

// octetsIn returns the size of all files beneath a folder.
func octetsIn(dir string) int64 {
	var n int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// inParallel calls f for each batch from the load's appenders.
func (w load) inParallel(messages int, f func(batch int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, w.appenders)
	for g := range w.appenders {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < messages/w.perBatch && errs[g] == nil; i = int(next.Add(1)) - 1 {
				errs[g] = f(i % (poolSize / w.perBatch))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func measureSpool(b *bench, w load, codec spool.Codec) (r result, err error) {
	dir := filepath.Join(b.dir, "spool")
	defer os.RemoveAll(dir)
	r.Messages = w.messages(b)
	runs := make([][]byte, poolSize/w.perBatch)
	var msg []byte
	for i := range poolSize {
		msg = b.text.appendMessage(msg[:0], i)
		run := &runs[i/w.perBatch]
		*run = append(binary.AppendUvarint(*run, uint64(len(msg))), msg...)
	}
	l, err := spool.Open(spool.Config{Dir: dir, Codec: codec, MinFree: -1})
	if err != nil {
		return r, err
	}
	defer l.Close()
	then, cpu := time.Now(), ownCPU()
	err = w.inParallel(r.Messages, func(i int) error {
		_, err := l.Append(context.Background(), spool.Batch{Records: runs[i], Count: w.perBatch})
		return err
	})
	if err != nil {
		return r, err
	}
	r.Append, r.CPU = spent(r.Messages, then, cpu)
	r.Disk = float64(l.Stats().Bytes) / float64(r.Messages)
	then, cpu = time.Now(), ownCPU()
	rd := l.NewReader(1)
	defer rd.Close()
	for read := 0; read < r.Messages; {
		blk, err := rd.Next(context.Background())
		if err != nil {
			return r, err
		}
		// Each message is looked at, as by whoever delivers it.
		for run := blk.Records; len(run) > 0; read++ {
			n, w := binary.Uvarint(run)
			run = run[w+int(n):]
		}
	}
	r.Read, r.ReadCPU = spent(r.Messages, then, cpu)
	return r, nil
}

func measureWAL(b *bench, w load) (r result, err error) {
	dir := filepath.Join(b.dir, "wal")
	defer os.RemoveAll(dir)
	r.Messages = w.messages(b)
	pool := make([][]byte, poolSize)
	for i := range pool {
		pool[i] = b.text.appendMessage(nil, i)
	}
	// Its own segments, of 20 MB, cost it less than longer ones.
	l, err := wal.Open(dir, &wal.Options{SegmentSize: 20 << 20, SegmentCacheSize: 2, NoCopy: true})
	if err != nil {
		return r, err
	}
	defer l.Close()
	then, cpu := time.Now(), ownCPU()
	var mu sync.Mutex // its indexes are the caller's to give, in order
	next := uint64(1)
	var batch wal.Batch
	err = w.inParallel(r.Messages, func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		batch.Clear()
		for _, m := range pool[i*w.perBatch : (i+1)*w.perBatch] {
			batch.Write(next, m)
			next++
		}
		return l.WriteBatch(&batch)
	})
	if err != nil {
		return r, err
	}
	r.Append, r.CPU = spent(r.Messages, then, cpu)
	r.Disk = float64(octetsIn(dir)) / float64(r.Messages)
	then, cpu = time.Now(), ownCPU()
	for i := uint64(1); i < next; i++ {
		if _, err := l.Read(i); err != nil {
			return r, fmt.Errorf("read %d: %w", i, err)
		}
	}
	r.Read, r.ReadCPU = spent(r.Messages, then, cpu)
	return r, nil
}
