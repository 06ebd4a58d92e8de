//go:build linux

package crowd

import (
	"encoding/binary"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Faults count what went wrong with the messages of a run. Without faults all of
// it is zero, but for Excused and Cut.
type Faults struct {
	// Lost did not come, and the server did not say so.
	Lost int64 `json:"lost"`
	// Doubled came more than once, Reordered after a later one of the sender.
	Doubled   int64 `json:"doubled"`
	Reordered int64 `json:"reordered"`
	// Broken are texts other than what was sent, Stray messages of another run.
	Broken int64 `json:"broken"`
	Stray  int64 `json:"stray"`
	// Ended are connections that ended by themselves.
	Ended int64 `json:"connections_ended"`
	// Excused did not come either, but the server told the client that it was
	// too slow for them.
	Excused int64 `json:"excused"`
	// Cut are clients that had stopped reading for so long that the server ended
	// their connection.
	Cut int64 `json:"stopped_readers_cut"`
	// First is what the first fault was.
	First string `json:"first,omitempty"`
}

// Add adds another's.
func (f *Faults) Add(o Faults) {
	f.Lost += o.Lost
	f.Doubled += o.Doubled
	f.Reordered += o.Reordered
	f.Broken += o.Broken
	f.Stray += o.Stray
	f.Ended += o.Ended
	f.Excused += o.Excused
	f.Cut += o.Cut
	if f.First == "" {
		f.First = o.First
	}
}

// Any says whether something went wrong.
func (f *Faults) Any() bool {
	return f.Lost+f.Doubled+f.Reordered+f.Broken+f.Stray+f.Ended > 0
}

// Done says that all of a worker's clients have a message.
type Done struct {
	Run, Seq uint32
	// At is when the last of them got it.
	At     int64
	Worker uint32
}

// doneSize is an encoded Done.
const doneSize = 20

func (d Done) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, d.Run)
	b = binary.LittleEndian.AppendUint32(b, d.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(d.At)) //nolint:gosec // read back by the inverse
	return binary.LittleEndian.AppendUint32(b, d.Worker)
}

func readDone(b []byte) Done {
	return Done{
		Run: binary.LittleEndian.Uint32(b), Seq: binary.LittleEndian.Uint32(b[4:]),
		At:     int64(binary.LittleEndian.Uint64(b[8:])), //nolint:gosec // written by the inverse
		Worker: binary.LittleEndian.Uint32(b[16:]),
	}
}

// span is a range of messages, from first to before end.
type span struct{ first, end uint32 }

// ledger follows what every client of a worker got of one sender's messages. A
// client is an index and the next number that it should get; only clients with a
// gap cost more.
type ledger struct {
	run    uint16
	expect uint32 // clients that count for a message being everywhere
	have   []uint32
	gaps   map[uint32][]span
	told   map[uint32]uint32 // how many messages the server said a client missed
	faults Faults
	hist   *hdrhistogram.Histogram
	got    int64
	done   func(seq uint32, at int64)
}

// maxSeq bounds the numbers that are believed.
const maxSeq = 1 << 26

func newLedger(run uint16, expect uint32, done func(uint32, int64)) *ledger {
	return &ledger{run: run, expect: expect, gaps: map[uint32][]span{}, told: map[uint32]uint32{}, hist: NewHistogram(), done: done}
}

// take notes that a client got a message at a time; next is its next number, and
// counts says whether the client is one of those who are waited for.
func (l *ledger) take(client uint32, next *uint32, s Stamp, at int64, counts bool) {
	if s.Run != l.run {
		l.faults.Stray++
		l.fault("a message of another run")
		return
	}
	switch {
	case s.Seq >= maxSeq:
		l.faults.Broken++
		l.fault("a number that nobody gave")
		return
	case s.Seq == *next:
		*next++
	case s.Seq > *next:
		l.gaps[client] = append(l.gaps[client], span{*next, s.Seq})
		*next = s.Seq + 1
	case l.fill(client, s.Seq):
		l.faults.Reordered++
		l.fault("a message after a later one")
	default:
		l.faults.Doubled++
		l.fault("a message twice")
		return
	}
	l.got++
	if !counts {
		return
	}
	Record(l.hist, time.Duration(at-s.At))
	for int(s.Seq) >= len(l.have) {
		l.have = append(l.have, 0)
	}
	if l.have[s.Seq]++; l.have[s.Seq] == l.expect && l.done != nil {
		l.done(s.Seq, at)
	}
}

// fill takes a number out of a client's gaps; false: it is in none.
func (l *ledger) fill(client, seq uint32) bool {
	for i, g := range l.gaps[client] {
		if seq < g.first || seq >= g.end {
			continue
		}
		rest := append([]span(nil), l.gaps[client][:i]...)
		if g.first < seq {
			rest = append(rest, span{g.first, seq})
		}
		if seq+1 < g.end {
			rest = append(rest, span{seq + 1, g.end})
		}
		l.gaps[client] = append(rest, l.gaps[client][i+1:]...)
		return true
	}
	return false
}

// skipped notes that the server told a client that it missed some.
func (l *ledger) skipped(client uint32, count int64) {
	l.told[client] += uint32(min(max(count, 0), maxSeq)) //nolint:gosec // bounded
}

// reached is the number before which a client has everything, or was told that it
// missed it.
func (l *ledger) reached(client, next uint32) uint32 {
	told := l.told[client]
	if told == 0 {
		return next
	}
	for _, g := range l.gaps[client] {
		told -= min(told, g.end-g.first)
	}
	return next + told
}

// finish counts what a client did not get of total messages.
func (l *ledger) finish(client, next, total uint32) {
	var missing uint32
	for _, g := range l.gaps[client] {
		missing += g.end - g.first
	}
	if next < total {
		missing += total - next
	}
	excused := min(missing, l.told[client])
	l.faults.Excused += int64(excused)
	if missing > excused {
		l.faults.Lost += int64(missing - excused)
		l.fault("a message that did not come")
	}
}

func (l *ledger) fault(what string) {
	if l.faults.First == "" {
		l.faults.First = what
	}
}

// NewHistogram counts durations from 1 us to 5 min with three digits.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(5*time.Minute/time.Microsecond), 3)
}

// Record notes a duration; one beyond the histogram's end counts as its end.
func Record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), h.HighestTrackableValue()))
}
