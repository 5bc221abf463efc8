package spool

// Packed is a run of records as it is stored. The zero value is none.
type Packed struct {
	// Codec is CodecS2 (block format) or CodecZstd (one frame).
	Codec Codec
	// Raw is the number of octets of the run.
	Raw int
	// Octets are those of the run compressed.
	Octets []byte
}

// Pack tells the reader whether Next shall return blocks as they are stored, where
// that is possible: whole blocks that are compressed and of which nobody need look at
// each record (Batch.AsIs). Such blocks are read from the disk, or rather what the
// system remembers of it, also where the log has them in memory.
func (r *Reader) Pack(on bool) { r.pack = on }

// packs reports whether a block is returned as it is stored.
func (r *Reader) packs(h *blockHeader) bool {
	return r.pack && h.flags&flagAsIs != 0 && h.codec != codecNone && h.first >= r.pos
}

// Unpack appends the run that p holds to dst. ErrCorrupt where it is not whole.
func (r *Reader) Unpack(dst []byte, p Packed) ([]byte, error) {
	id, err := p.Codec.id()
	if err != nil {
		return dst, err
	}
	run, err := r.dec.decompress(&blockHeader{codec: id, raw: uint32(p.Raw)}, p.Octets)
	return append(dst, run...), err
}
