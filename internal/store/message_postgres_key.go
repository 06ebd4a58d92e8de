package store

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"muster"
	"muster/internal/group"
)

// keyPlaces is how many numbers are tried for a message whose own is taken by
// another one. They are taken in order and never given back, so that a message
// that stands is found before the first free one.
const keyPlaces = 16

// pgKey is the number by which a message is recognised when it is sent again, of
// its client id and sender. It is half a hash; the other half of an id that is a
// UUID are its first 32 bits, which in one of version 7 (RFC 9562, section 5.7)
// are the time: so the newest keys of a group lie together at the end of its
// range of the index. Another id's number is all hash. It is never changed:
// 0003_key.sql makes the same numbers.
func pgKey(d *group.Draft) int64 {
	var buf [maxClientID + 8]byte
	b := append(buf[:0], d.ClientID...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(d.Sender))) //nolint:gosec // two's complement
	key := binary.BigEndian.Uint64(sum[:8])
	if begins, ok := uuidBegins(d.ClientID); ok {
		key = begins<<32 | key>>32
	}
	return min(int64(key>>1), math.MaxInt64-keyPlaces+1)
}

// uuidBegins reads the first 32 bits of a UUID.
func uuidBegins(id string) (uint64, bool) {
	if len(id) != 36 || id[8] != '-' {
		return 0, false
	}
	for i := range 8 {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(id[:8], 16, 32)
	return n, err == nil
}

// groupKey is a number in the index of keys.
type groupKey struct {
	group muster.GroupID
	key   int64
}

// freeKey takes the first number for a message that is not taken, as far as the
// attempt has asked.
func (b *pgBatch) freeKey(p *pending) (int64, bool) {
	for key := p.key; key < p.key+keyPlaces; key++ {
		at := groupKey{p.entry.Group, key}
		if _, taken := b.taken[at]; !taken {
			b.taken[at] = struct{}{}
			return key, true
		}
	}
	return 0, false
}

// errKeysTaken is the answer to an id whose numbers are all taken by others,
// which takes a client that looks for such ids.
func errKeysTaken() error {
	return muster.Invalid("client_message_id", "is too much like others; make a new UUID for every message")
}
