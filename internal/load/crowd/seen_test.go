//go:build linux

package crowd

import (
	"bytes"
	"testing"
	"time"

	"muster"
	"muster/internal/channel"
	"muster/internal/load/socket"
	"muster/internal/wire"
)

// TestSeen gives the same messages to several clients: what is not byte for byte
// what another one got is read, and found to be broken, doubled or lost.
func TestSeen(t *testing.T) {
	frame := func(seq uint32) []byte {
		text := make([]byte, 128)
		Stamp{Run: 1, Seq: seq, At: Now()}.Put(text)
		return wire.AppendChannelMessage(nil, &channel.Message{
			Channel: 7, Sender: channel.Present{Account: 9, Nickname: "n", Level: muster.Owner}, ClientMessageID: "m", Text: string(text), Time: time.UnixMilli(1),
		})
	}
	newCrowd := func() *Crowd {
		c := &Crowd{ledger: newLedger(1, 2, nil), clients: []client{{state: in}, {state: in}}, frags: map[int][]byte{}}
		c.each = c.event
		return c
	}
	give := func(c *Crowd, i int, payload []byte) {
		t.Helper()
		if err := c.frame(i, socket.OpBinary, true, payload); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrowd()
	for seq := range uint32(3 * seenFrames) {
		f := frame(seq)
		give(c, 0, f)
		if found := c.seen.find(seq, f); found == nil || found.stamp.Seq != seq {
			t.Fatalf("message %d is not kept", seq)
		}
		give(c, 1, bytes.Clone(f))
	}
	if c.ledger.got != 6*seenFrames || c.ledger.faults.Any() {
		t.Fatalf("%d messages, %+v", c.ledger.got, c.ledger.faults)
	}
	f := frame(3 * seenFrames)
	give(c, 0, f)
	give(c, 0, f)
	wrong := bytes.Clone(f)
	wrong[bytes.IndexByte(wrong, mark)+60]++
	give(c, 1, wrong)
	if fs := c.ledger.faults; fs.Doubled != 1 || fs.Broken != 1 || fs.Lost != 0 {
		t.Errorf("once more, and broken: %+v", fs)
	}
	late := newCrowd()
	give(late, 0, frame(1))
	late.ledger.finish(0, late.clients[0].next, 2)
	if late.ledger.faults.Lost != 1 {
		t.Errorf("one that did not come: %+v", late.ledger.faults)
	}
}
