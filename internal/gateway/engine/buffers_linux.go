package engine

import "math/bits"

// bufferPool keeps buffers for the logs of one loop, by powers of four.
type bufferPool struct {
	free [bufferSizes][][]byte
}

const (
	bufferSizes    = 6 // 4 KiB to 4 MiB
	smallestBuffer = 12
	// keptBytes bounds the free buffers of each size.
	keptBytes = 8 << 20
)

// get gives an empty buffer with room for n bytes.
func (p *bufferPool) get(n int) []byte {
	i := 0
	for i < bufferSizes && n > 1<<(smallestBuffer+2*i) {
		i++
	}
	if i == bufferSizes {
		return make([]byte, 0, 1<<bits.Len(uint(n-1))) //nolint:gosec // positive
	}
	if k := len(p.free[i]); k > 0 {
		b := p.free[i][k-1]
		p.free[i][k-1] = nil
		p.free[i] = p.free[i][:k-1]
		return b
	}
	return make([]byte, 0, 1<<(smallestBuffer+2*i))
}

// put takes a buffer back.
func (p *bufferPool) put(b []byte) {
	size := bits.Len(uint(cap(b))) - 1 - smallestBuffer //nolint:gosec // a capacity
	if size < 0 || size%2 != 0 || size/2 >= bufferSizes || cap(b) != 1<<(smallestBuffer+size) {
		return
	}
	if i := size / 2; (len(p.free[i])+1)*cap(b) <= keptBytes {
		p.free[i] = append(p.free[i], b[:0])
	}
}
