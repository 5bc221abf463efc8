package relp

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/klauspost/compress/s2"
)

// A payload under codec 4 is runs as the sender's log holds them, one after the
// other:
//
//	codec    1 octet: 0 none, 1 s2 (block format), 2 zstd
//	raw      uvarint, octets of the run when decompressed
//	length   uvarint
//	octets   so many

// Packed is a run of records that is compressed.
type Packed struct {
	// Codec is CodecNone, CodecS2 or CodecZstd.
	Codec Codec
	// Raw is the number of octets of the run.
	Raw    int
	Octets []byte
}

// AppendPackedFrame appends a "batch" frame to dst whose records are those of runs, in
// place of b.Records: together at most MaxBatchRaw octets, and none of them with a
// route.
func AppendPackedFrame(dst []byte, txnr uint32, b Batch, runs []Packed) []byte {
	size, raw := 0, 0
	for _, p := range runs {
		size += 1 + uvarintLen(p.Raw) + uvarintLen(len(p.Octets)) + len(p.Octets)
		raw += p.Raw
	}
	dst = appendHeader(dst, txnr, CmdBatch, batchHeaderLen+size)
	dst = slices.Grow(dst, batchHeaderLen+size+1)
	start := len(dst)
	dst = appendBatchHeader(dst, CodecPacked, &b, raw)
	dst = append(dst, 0, 0, 0, 0)
	for _, p := range runs {
		dst = append(dst, byte(p.Codec))
		dst = binary.AppendUvarint(dst, uint64(p.Raw))
		dst = binary.AppendUvarint(dst, uint64(len(p.Octets)))
		dst = append(dst, p.Octets...)
	}
	header := dst[start:]
	binary.LittleEndian.PutUint32(header[batchChecked:], checksum(header, header[batchHeaderLen:]))
	return append(dst, '\n')
}

func uvarintLen(n int) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], uint64(n))
}

// unpack appends to buf what packed runs hold, raw octets.
func (d *BatchDecoder) unpack(payload, buf []byte, raw int) ([]byte, error) {
	buf = slices.Grow(buf, raw)
	for len(payload) > 0 {
		codec := Codec(payload[0])
		size, v := binary.Uvarint(payload[1:])
		if v <= 0 {
			return nil, ErrBatchPayload
		}
		n, w := binary.Uvarint(payload[1+v:])
		if w <= 0 {
			return nil, ErrBatchPayload
		}
		payload = payload[1+v+w:]
		if n > uint64(len(payload)) || size > uint64(raw-len(buf)) {
			return nil, ErrBatchSize
		}
		octets := payload[:n]
		payload = payload[n:]
		// No codec is given more room than its run may have.
		room := buf[len(buf) : len(buf) : len(buf)+int(size)]
		var run []byte
		switch codec {
		case CodecNone:
			if n != size {
				return nil, ErrBatchSize
			}
			run = append(room, octets...)
		case CodecS2:
			if have, err := s2.DecodedLen(octets); err != nil || have != int(size) {
				return nil, ErrBatchSize
			}
			var err error
			if run, err = s2.Decode(room[:size], octets); err != nil {
				return nil, ErrBatchPayload
			}
		case CodecZstd:
			z, err := d.decoder()
			if err != nil {
				return nil, err
			}
			if run, err = z.DecodeAll(octets, room); err != nil {
				return nil, ErrBatchPayload
			}
		default:
			return nil, ErrBatchPayload
		}
		if len(run) != int(size) {
			return nil, ErrBatchSize
		}
		buf = buf[:len(buf)+len(run)]
	}
	return buf, nil
}

// Codecs is what a receiver answers under OfferCodecs: the codecs that it takes.
func Codecs() []string {
	var list []string
	for c := CodecNone; c <= CodecPacked; c++ {
		list = append(list, strconv.Itoa(int(c)))
	}
	return list
}

// TakesPacked tells whether a receiver with these offers takes CodecPacked.
func TakesPacked(o Offers) bool { return o.Has(OfferCodecs, strconv.Itoa(int(CodecPacked))) }
