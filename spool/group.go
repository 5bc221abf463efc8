package spool

import "fmt"

// A group is what becomes durable with one sync. Under SyncCommit one is synced, by a
// goroutine of its own, while the writer writes the next: w.underWay and w.next.
type group struct {
	blocks []*block // whose appends wait
	marks  []mark
	// end and head are those of the writer when all was written.
	end  int64
	head uint64
}

// syncGroups is the syncer.
func (w *writer) syncGroups() {
	for range w.begin {
		w.synced <- w.sync()
	}
}

// nextGroup returns w.next with how far it goes.
func (w *writer) nextGroup() *group {
	w.next.end, w.next.head = w.end, w.head
	return w.next
}

// beginSync makes durable what was written. The writer does that itself where it is
// little: then there is not much to write meanwhile, and a lone message is not held up
// by waking another goroutine.
func (w *writer) beginSync() {
	few := w.end-w.seg.end < w.l.cfg.writeAhead
	w.next, w.underWay, w.syncing = w.underWay, w.nextGroup(), true
	if few {
		w.endSync(w.sync())
	} else {
		w.begin <- struct{}{}
	}
}

// endSync follows a sync. Where it failed, what was written behind its group is cut
// off with it.
func (w *writer) endSync(err error) {
	g := w.underWay
	w.syncing = false
	if err != nil {
		g.blocks = append(g.blocks, w.next.blocks...)
		clear(w.next.blocks)
		w.next.blocks = w.next.blocks[:0]
		w.fail(err)
	} else {
		w.succeed(g.blocks)
		w.publish(g, g.blocks)
	}
	w.release(g.blocks, err)
	clear(g.blocks)
	g.blocks = g.blocks[:0]
}

// settle waits until all that was written is durable, or has failed.
func (w *writer) settle() {
	for w.syncing || len(w.next.blocks) > 0 {
		if w.syncing {
			w.endSync(<-w.synced)
		} else {
			w.beginSync()
		}
	}
}

// sync makes what was written durable.
func (w *writer) sync() error {
	if err := w.file.Datasync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.seg, err)
	}
	if w.fresh {
		if err := w.l.cfg.FS.SyncDir(w.l.cfg.Dir); err != nil {
			return fmt.Errorf("sync folder of %s: %w", w.seg, err)
		}
	}
	return nil
}
