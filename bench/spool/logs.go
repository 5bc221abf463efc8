package main

import (
	"context"
	"encoding/binary"
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

// perBatch is how many messages are appended, and acknowledged, together: what a
// busy input has in its buffer.
const perBatch = 200

// appenders is how many append at once.
const appenders = 4

func logs() []subject {
	var all []subject
	for _, codec := range []spool.Codec{spool.CodecNone, spool.CodecS2, spool.CodecZstd} {
		all = append(all, subject{"log alone, " + string(codec) + ", fsync acknowledged", true,
			func(b *bench) (result, error) { return measureSpool(b, codec) }})
	}
	return append(all, subject{"tidwall/wal alone, sync", true, measureWAL})
}

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

// inParallel calls f for each batch from several goroutines.
func inParallel(batches int, f func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, appenders)
	for g := range appenders {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < batches && errs[g] == nil; i = int(next.Add(1)) - 1 {
				errs[g] = f(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func measureSpool(b *bench, codec spool.Codec) (r result, err error) {
	dir := filepath.Join(b.dir, "spool")
	defer os.RemoveAll(dir)
	r.Messages = b.count / perBatch * perBatch
	runs := make([][]byte, r.Messages/perBatch)
	var msg []byte
	for i := range r.Messages {
		msg = b.text.appendMessage(msg[:0], i)
		run := &runs[i/perBatch]
		*run = append(binary.AppendUvarint(*run, uint64(len(msg))), msg...)
	}
	l, err := spool.Open(spool.Config{Dir: dir, Codec: codec, MinFree: -1})
	if err != nil {
		return r, err
	}
	defer l.Close()
	then, cpu := time.Now(), ownCPU()
	err = inParallel(len(runs), func(i int) error {
		_, err := l.Append(context.Background(), spool.Batch{Records: runs[i], Count: perBatch})
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

func measureWAL(b *bench) (r result, err error) {
	dir := filepath.Join(b.dir, "wal")
	defer os.RemoveAll(dir)
	r.Messages = b.count / perBatch * perBatch
	messages := make([][]byte, r.Messages)
	for i := range messages {
		messages[i] = b.text.appendMessage(nil, i)
	}
	l, err := wal.Open(dir, &wal.Options{SegmentSize: 128 << 20, SegmentCacheSize: 2, NoCopy: true})
	if err != nil {
		return r, err
	}
	defer l.Close()
	then, cpu := time.Now(), ownCPU()
	var mu sync.Mutex // its indexes are the caller's to give, in order
	next := uint64(1)
	var batch wal.Batch
	err = inParallel(r.Messages/perBatch, func(i int) error {
		mu.Lock()
		defer mu.Unlock()
		batch.Clear()
		for _, m := range messages[i*perBatch : (i+1)*perBatch] {
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
