// Package journal is an append-only, preallocated write-ahead journal: whoever appends is answered after one
// fdatasync that is shared by everything in the batch, and the slow, sorted store behind it is filled later.
//
// It knows nothing about its records (opaque bytes), keeps no index and cannot be read while it is open: what
// it is for is to be replayed by [Open] after a crash. One process, one appending goroutine, one releasing one.
//
// # Promises
//
//   - When [Journal.Append] returns nil, the whole batch survives kill -9 and power loss. When it returns an
//     error the outcome is open: recovery finds the whole batch or nothing of it, never a part.
//   - Positions only grow, through restarts, recycling and torn tails. They are consecutive inside a batch; after
//     a torn tail there is a gap.
//   - A failed write or sync poisons the journal: no later Append succeeds, since after a failed fsync the kernel may
//     report pages clean that never reached the disk. Only a full disk while a new segment is being made is not
//     fatal: nothing of the batch has been written then, and the next Append tries again.
//   - A torn tail is dropped silently; anything else that cannot be read is a [CorruptionError], before a
//     single record is replayed.
//
// # Format
//
// A directory holds `<sequence, 16 hex digits>.segment` files with consecutive sequences, `<sequence>.spare` files
// (recycled or ready-made segments whose content means nothing) and `lock`. All integers are little-endian. A segment
// is zero-filled to its full size before its first use, so that later syncs change no metadata. It begins with a header
// of 4096 bytes:
//
//	0  magic "MSTRJRNL"     24 salt, random, never 0       48 capacity in bytes
//	8  version 1 (uint32)   32 first position it may hold  56 CRC-32C of bytes 0-55
//	16 sequence             40 last position before it     60 zero
//
// then frames, one for each batch, each aligned to 8 bytes and written by one write and one sync:
//
//	0  salt of the segment     16 length of the records   24 CRC-32C of bytes 0-23 and all from 28 on
//	8  position of the first   20 number of records       28 zero
//	32 records: length (uint32), bytes; then zeros up to a multiple of 8
//
// The last frame is followed by 8 zero bytes (unless no frame header fits any more). The salt is new each time a file
// is used, so frames that a recycled file still holds are never taken for new ones.
//
// # Recovery
//
// A segment is renamed into its place only after its header is durable, and a batch is begun only after the one before
// it is durable. So an intact journal has valid headers, each one's "last position before it" is where the frames of
// the segment before it end, and in the last segment at most one thing is broken: the batch at its very end. If that is
// so, the torn bytes are left where they are and a new segment is started, whose first position lies beyond every
// position that the torn batch may have had. A salt behind the end proves that a later batch was begun, hence that the
// broken one had been acknowledged: corruption. The last frame is written and synced again before it is replayed: after
// a failed sync it may have stood in the page cache only.
//
// What no single file can tell: damage to the very last acknowledged batch looks like a torn tail, and is dropped as
// one. A store that has applied it notices through [Options.Applied].
package journal
