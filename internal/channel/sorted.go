package channel

import "slices"

// chunkSize is how many keys a chunk of a sorted set holds at most. A chunk
// that is full is split in two.
const chunkSize = 256

// sorted is a set of keys in order: a list of short sorted chunks. Adding and
// removing cost two binary searches and the move of half a chunk, and a page is
// a walk from one search on, so that nothing has to sort a million keys because
// one of them came. Not safe for concurrent use.
type sorted[K any] struct {
	compare func(a, b K) int
	chunks  [][]K // none is empty
	n       int
}

// find gives the chunk that holds k or would, and the place in it.
func (s *sorted[K]) find(k K) (chunk, at int, found bool) {
	chunk, found = slices.BinarySearchFunc(s.chunks, k, func(c []K, k K) int { return s.compare(c[0], k) })
	if found {
		return chunk, 0, true
	}
	if chunk == 0 {
		return 0, 0, false
	}
	chunk--
	at, found = slices.BinarySearchFunc(s.chunks[chunk], k, s.compare)
	return chunk, at, found
}

// add puts k into the set; false: it was there.
func (s *sorted[K]) add(k K) bool {
	if len(s.chunks) == 0 {
		s.chunks = append(s.chunks, append(make([]K, 0, 4), k))
		s.n = 1
		return true
	}
	i, at, found := s.find(k)
	if found {
		return false
	}
	s.chunks[i] = slices.Insert(s.chunks[i], at, k)
	s.n++
	if c := s.chunks[i]; len(c) == chunkSize {
		upper := append(make([]K, 0, chunkSize), c[chunkSize/2:]...)
		clear(c[chunkSize/2:])
		s.chunks[i] = c[:chunkSize/2]
		s.chunks = slices.Insert(s.chunks, i+1, upper)
	}
	return true
}

// remove takes k out of the set; false: it was not there.
func (s *sorted[K]) remove(k K) bool {
	if len(s.chunks) == 0 {
		return false
	}
	i, at, found := s.find(k)
	if !found {
		return false
	}
	s.chunks[i] = slices.Delete(s.chunks[i], at, at+1)
	s.n--
	if len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
	return true
}

// after calls yield for the keys after k in order, until it returns false.
func (s *sorted[K]) after(k K, yield func(K) bool) {
	if len(s.chunks) == 0 {
		return
	}
	i, at, found := s.find(k)
	if found {
		at++
	}
	for ; i < len(s.chunks); i, at = i+1, 0 {
		for _, key := range s.chunks[i][at:] {
			if !yield(key) {
				return
			}
		}
	}
}
