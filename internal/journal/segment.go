package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	segmentMagic   = "MSTRJRNL"
	segmentVersion = 1
	// segmentHeaderBytes is a page of its own, so that no append rewrites the sector that the header lies in.
	segmentHeaderBytes = 4096
	segmentSuffix      = ".segment"
	spareSuffix        = ".spare"
	temporarySuffix    = ".tmp"
)

// segmentHeader is what the first page of a segment says.
type segmentHeader struct {
	sequence uint64
	salt     uint64
	first    Position // no record of the segment is before it
	previous Position // the last record before this segment
	capacity int64    // bytes, header included
}

func segmentName(sequence uint64) string { return fmt.Sprintf("%016x%s", sequence, segmentSuffix) }

func spareName(sequence uint64) string { return fmt.Sprintf("%016x%s", sequence, spareSuffix) }

// newSalt returns a random salt whose bytes are not all zero. It is secret: no record can contain it by design.
func newSalt() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails, says its documentation
		if salt := binary.LittleEndian.Uint64(b[:]); salt != 0 {
			return salt
		}
	}
}

// encode returns the header's page and the end mark of a segment without frames.
func (h segmentHeader) encode() []byte {
	b := make([]byte, segmentHeaderBytes+endMarkBytes)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint64(b[16:], h.sequence)
	binary.LittleEndian.PutUint64(b[24:], h.salt)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.first))
	binary.LittleEndian.PutUint64(b[40:], uint64(h.previous))
	binary.LittleEndian.PutUint64(b[48:], uint64(h.capacity))
	binary.LittleEndian.PutUint32(b[56:], checksumOfHeader(b))
	return b
}

func checksumOfHeader(b []byte) uint32 { return crc32.Checksum(b[:56], castagnoli) }

// parseSegmentHeader returns the header, or a reason why these bytes are none. The reason is empty for a header
// of another format version: then err says so.
func parseSegmentHeader(b []byte) (h segmentHeader, reason string, err error) {
	switch {
	case len(b) < segmentHeaderBytes:
		return h, "the file is shorter than a segment header", nil
	case string(b[:8]) != segmentMagic:
		return h, "the segment header has no magic number", nil
	case binary.LittleEndian.Uint32(b[56:]) != checksumOfHeader(b):
		return h, "the checksum of the segment header does not match", nil
	case binary.LittleEndian.Uint32(b[8:]) != segmentVersion:
		return h, "", fmt.Errorf("format version %d, but this program reads %d: start the program that wrote it", binary.LittleEndian.Uint32(b[8:]), segmentVersion)
	}
	h = segmentHeader{
		sequence: binary.LittleEndian.Uint64(b[16:]),
		salt:     binary.LittleEndian.Uint64(b[24:]),
		first:    Position(binary.LittleEndian.Uint64(b[32:])),
		previous: Position(binary.LittleEndian.Uint64(b[40:])),
		capacity: int64(binary.LittleEndian.Uint64(b[48:])),
	}
	if h.salt == 0 || h.first <= h.previous || h.capacity < segmentHeaderBytes {
		return h, "the segment header contradicts itself", nil
	}
	return h, "", nil
}

// window is a read buffer over a file, so that recovery never holds a whole segment in memory.
type window struct {
	f     file
	size  int64
	buf   []byte
	start int64
}

const windowBytes = 256 << 10

func newWindow(f file) (*window, error) {
	size, err := f.Size()
	return &window{f: f, size: size}, err
}

// view returns the n bytes at off, fewer where the file ends. They stay valid until the next call.
func (w *window) view(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), max(w.size-off, 0)))
	if off < w.start || off+int64(n) > w.start+int64(len(w.buf)) {
		want := int(min(int64(max(n, windowBytes)), w.size-off))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.start = w.buf[:want], off
		if _, err := w.f.ReadAt(w.buf, off); err != nil {
			w.buf = w.buf[:0]
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read at byte %d: %w", off, err)
		}
	}
	return w.buf[off-w.start:][:n], nil
}

// extent says what scan found in a segment.
type extent struct {
	last    Position // of the last whole frame, or the last before the segment
	end     int64    // where the frames end
	lastAt  int64    // where the last frame begins, 0 if there is none
	torn    int64    // bytes at the end that a batch began to write, as far as can be told
	unclean bool     // something other than an end mark stands at the end
	mislaid bool     // the frame at the end is valid but has not the position that follows
}

// scan walks the frames of a segment and calls each (which may be nil) for every one. An error is one of reading or of
// each.
func (h segmentHeader) scan(w *window, each func(frame) error) (extent, error) {
	x := extent{last: h.previous, end: segmentHeaderBytes}
	limit := min(w.size, h.capacity)
	next := h.first
	for x.end+frameHeaderBytes <= limit {
		b, err := w.view(x.end, frameHeaderBytes)
		if err != nil {
			return x, err
		}
		size, ok := claimedFrameSize(b, h.salt)
		if !ok {
			break
		}
		if b, err = w.view(x.end, size); err != nil {
			return x, err
		}
		f, _, ok := parseFrame(b, h.salt)
		if !ok {
			break
		}
		if f.first != next {
			x.mislaid = true
			return x, nil
		}
		if each != nil {
			if err := each(f); err != nil {
				return x, err
			}
		}
		x.last, next, x.lastAt = f.last(), f.last()+1, x.end
		x.end += int64(size)
	}
	return x, h.judgeEnd(w, &x)
}

// judgeEnd looks at the bytes behind the last whole frame: an end mark, or something that was begun.
func (h segmentHeader) judgeEnd(w *window, x *extent) error {
	if w.size < h.capacity {
		x.unclean, x.torn = true, w.size-x.end
	}
	if x.end+frameHeaderBytes > h.capacity {
		return nil // no frame fits: the segment is full
	}
	b, err := w.view(x.end, frameHeaderBytes)
	if err != nil || len(b) < endMarkBytes || binary.LittleEndian.Uint64(b) == 0 {
		return err
	}
	x.unclean = true
	if size, ok := claimedFrameSize(b, h.salt); ok {
		x.torn = min(int64(size), w.size-x.end)
	} else {
		x.torn = int64(len(b))
	}
	return nil
}

// findSalt returns where, at or after off, the beginning of a frame of this segment stands, or -1.
func (h segmentHeader) findSalt(w *window, off int64) (int64, error) {
	salt := binary.LittleEndian.AppendUint64(nil, h.salt)
	for off+frameHeaderBytes <= w.size {
		b, err := w.view(off, windowBytes)
		if err != nil {
			return -1, err
		}
		for from := 0; ; {
			i := bytes.Index(b[from:], salt)
			if i < 0 {
				break
			}
			if at := from + i; at%frameAlign == 0 {
				return off + int64(at), nil
			}
			from += i + 1
		}
		off += int64(max(len(b)&^(frameAlign-1), frameAlign))
	}
	return -1, nil
}
