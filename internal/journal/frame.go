package journal

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
)

// Limits of one [Journal.Append], in bytes of the caller's records and in records.
const (
	// MaxRecordBytes is the longest record.
	MaxRecordBytes = 1 << 20
	// MaxBatchBytes is the largest sum of the lengths of a batch's records. A segment that is too small for
	// that lowers it: see [Options.SegmentBytes].
	MaxBatchBytes = 8 << 20
	// MaxBatchRecords is the largest number of records in a batch.
	MaxBatchRecords = 1 << 16
)

const (
	frameAlign        = 8
	frameHeaderBytes  = 32
	recordHeaderBytes = 4
	maxFrameBytes     = frameHeaderBytes + MaxBatchBytes + MaxBatchRecords*recordHeaderBytes
	// endMarkBytes zeros follow the last frame, so that recovery tells "nothing was begun here" from "torn".
	endMarkBytes = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Position names a record. Positions only grow, for the whole life of the journal; 0 is before the first record.
type Position uint64

// frameSize returns the bytes that a batch of count records with size bytes in all takes in a segment.
func frameSize(count, size int) int {
	return alignFrame(frameHeaderBytes + count*recordHeaderBytes + size)
}

func alignFrame(n int) int { return (n + frameAlign - 1) &^ (frameAlign - 1) }

// appendFrame encodes a batch whose first record has position first. buf must be empty; its room is reused.
func appendFrame(buf []byte, salt uint64, first Position, records [][]byte) []byte {
	buf = binary.LittleEndian.AppendUint64(buf, salt)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(first))
	buf = append(buf, make([]byte, frameHeaderBytes-16)...)
	for _, r := range records {
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(r)))
		buf = append(buf, r...)
	}
	binary.LittleEndian.PutUint32(buf[16:], uint32(len(buf)-frameHeaderBytes))
	binary.LittleEndian.PutUint32(buf[20:], uint32(len(records)))
	for len(buf)%frameAlign != 0 {
		buf = append(buf, 0)
	}
	binary.LittleEndian.PutUint32(buf[24:], frameChecksum(buf))
	return buf
}

func frameChecksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:24])
	return crc32.Update(sum, castagnoli, b[28:])
}

// frame is one batch as it lies in a segment.
type frame struct {
	first Position
	count int
	body  []byte // records with their lengths, without the padding
}

func (f frame) last() Position { return f.first + Position(f.count) - 1 }

// records yields every record of a frame that parseFrame accepted. The bytes are those of the frame.
func (f frame) records() iter.Seq2[Position, []byte] {
	return func(yield func(Position, []byte) bool) {
		pos, b := f.first, f.body
		for len(b) > 0 {
			n := binary.LittleEndian.Uint32(b)
			b = b[recordHeaderBytes:]
			if !yield(pos, b[:n:n]) {
				return
			}
			pos, b = pos+1, b[n:]
		}
	}
}

// claimedFrameSize reads from a frame's header how long the whole frame says it is; ok is false if these bytes
// are not the header of a frame with that salt, or one with impossible lengths.
func claimedFrameSize(header []byte, salt uint64) (size int, ok bool) {
	if len(header) < frameHeaderBytes || binary.LittleEndian.Uint64(header) != salt {
		return 0, false
	}
	body := int(binary.LittleEndian.Uint32(header[16:]))
	count := int(binary.LittleEndian.Uint32(header[20:]))
	if count < 1 || count > MaxBatchRecords || body < count*recordHeaderBytes || body > MaxBatchBytes+count*recordHeaderBytes {
		return 0, false
	}
	return alignFrame(frameHeaderBytes + body), true
}

// parseFrame decodes the frame that b begins with; ok is false unless all of it is there, unchanged and within the
// limits.
func parseFrame(b []byte, salt uint64) (f frame, size int, ok bool) {
	size, ok = claimedFrameSize(b, salt)
	if !ok || size > len(b) {
		return frame{}, 0, false
	}
	if binary.LittleEndian.Uint32(b[24:]) != frameChecksum(b[:size]) {
		return frame{}, 0, false
	}
	body := int(binary.LittleEndian.Uint32(b[16:]))
	f = frame{
		first: Position(binary.LittleEndian.Uint64(b[8:])),
		count: int(binary.LittleEndian.Uint32(b[20:])),
		body:  b[frameHeaderBytes : frameHeaderBytes+body],
	}
	rest := f.body
	for range f.count {
		if len(rest) < recordHeaderBytes {
			return frame{}, 0, false
		}
		n := binary.LittleEndian.Uint32(rest)
		rest = rest[recordHeaderBytes:]
		if n > MaxRecordBytes || int(n) > len(rest) {
			return frame{}, 0, false
		}
		rest = rest[n:]
	}
	if len(rest) != 0 || f.first == 0 || f.last() < f.first {
		return frame{}, 0, false
	}
	return f, size, true
}
