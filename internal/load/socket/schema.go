package socket

import (
	"encoding/binary"
	"fmt"
)

// Kind is what a server's frame is: the number of its body's field in
// ServerFrame.
type Kind uint8

// The kinds that a load looks at.
const (
	Error          Kind = 2
	Welcome        Kind = 3
	Entered        Kind = 4
	Said           Kind = 5
	Sent           Kind = 6
	Synced         Kind = 7
	ChannelMessage Kind = 20
	ChannelSkipped Kind = 21
	GroupMessage   Kind = 24
	MemberAdded    Kind = 26
	SessionClosed  Kind = 33
	GroupBehind    Kind = 36
)

// Event is one frame of the server. Body, Text and what is read from them are
// parts of the buffer that it was read from.
type Event struct {
	Kind Kind
	// ID is that of the request that it answers.
	ID uint64
	// Object is the channel or the group.
	Object int64
	// Seq is a message's place in its group, the head that GroupBehind tells, how
	// many ChannelSkipped says were missed, or the code of SessionClosed.
	Seq int64
	// After is what the server asks to wait, in milliseconds.
	After int64
	// Text is a message's, or what an error says.
	Text []byte
	// Body is the whole message of the kind, encoded.
	Body []byte
}

// fields reads the fields of an encoded message one after another.
type fields struct {
	b   []byte
	num int
	val uint64 // of a varint
	raw []byte // of a length-delimited field
	bad bool
}

// next moves to the next field; false at the end, and where the message is
// broken.
func (f *fields) next() bool {
	if len(f.b) == 0 {
		return false
	}
	tag, n := binary.Uvarint(f.b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f.fail()
	}
	f.b, f.num, f.raw = f.b[n:], int(tag>>3), nil //nolint:gosec // bounded above
	switch tag & 7 {
	case 0:
		if f.val, n = binary.Uvarint(f.b); n <= 0 {
			return f.fail()
		}
		f.b = f.b[n:]
	case 1:
		return f.skip(8)
	case 2:
		size, n := binary.Uvarint(f.b)
		if n <= 0 || size > uint64(len(f.b)-n) {
			return f.fail()
		}
		f.raw, f.b = f.b[n:n+int(size)], f.b[n+int(size):] //nolint:gosec // bounded above
	case 5:
		return f.skip(4)
	default:
		return f.fail()
	}
	return true
}

func (f *fields) skip(n int) bool {
	if len(f.b) < n {
		return f.fail()
	}
	f.val, f.b = 0, f.b[n:]
	return true
}

func (f *fields) fail() bool {
	f.bad, f.b = true, nil
	return false
}

func (f *fields) int() int64 { return int64(f.val) } //nolint:gosec // protobuf's int64 is this conversion

// Events reads the frames of one message of the server, a ServerFrames, and calls
// each for every one of them.
func Events(payload []byte, e *Event, each func(*Event) error) error {
	outer := fields{b: payload}
	for outer.next() {
		if outer.num != 1 || outer.raw == nil {
			continue
		}
		if err := e.read(outer.raw); err != nil {
			return err
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return broken(outer.bad)
}

func broken(bad bool) error {
	if bad {
		return fmt.Errorf("%w: a message that is not protobuf", ErrProtocol)
	}
	return nil
}

// read reads one ServerFrame.
func (e *Event) read(b []byte) error {
	*e = Event{}
	f := fields{b: b}
	for f.next() {
		if f.num == 1 {
			e.ID = f.val
		} else if f.raw != nil && f.num < 256 {
			e.Kind, e.Body = Kind(f.num), f.raw //nolint:gosec // bounded
		}
	}
	if f.bad {
		return broken(true)
	}
	return e.readBody()
}

// places are the numbers of the fields that an Event shows, by kind.
type places struct{ object, seq, text, after int }

var placesOf = [256]places{
	Error:          {text: 3, after: 5},
	Entered:        {object: 1, seq: 2},
	Said:           {seq: 1},
	Sent:           {seq: 1},
	ChannelMessage: {object: 1, text: 6},
	ChannelSkipped: {object: 1, seq: 2},
	GroupMessage:   {object: 1, seq: 2, text: 8},
	SessionClosed:  {seq: 1, text: 2, after: 4},
	GroupBehind:    {object: 1, seq: 2},
}

func (e *Event) readBody() error {
	p := &placesOf[e.Kind]
	if *p == (places{}) {
		return nil
	}
	f := fields{b: e.Body}
	for f.next() {
		switch f.num {
		case p.object:
			e.Object = f.int()
		case p.seq:
			e.Seq = f.int()
		case p.text:
			e.Text = f.raw
		case p.after:
			e.After = f.int()
		}
	}
	return broken(f.bad)
}

// Pages reads a Synced and calls each for every message in it, as a GroupMessage.
// more says that there are more to be asked for.
func Pages(body []byte, each func(*Event) error) (more bool, err error) {
	var e Event
	answer := fields{b: body}
	for answer.next() {
		if answer.num == 3 {
			more = answer.val != 0
		}
		if answer.num != 1 || answer.raw == nil {
			continue
		}
		g := fields{b: answer.raw}
		for g.next() {
			if g.num != 2 || g.raw == nil {
				continue
			}
			e = Event{Kind: GroupMessage, Body: g.raw}
			if err := e.readBody(); err != nil {
				return more, err
			}
			if err := each(&e); err != nil {
				return more, err
			}
		}
		if g.bad {
			return more, broken(true)
		}
	}
	return more, broken(answer.bad)
}

// AddedTo gives the group of a MemberAdded.
func AddedTo(body []byte) int64 {
	added := fields{b: body}
	for added.next() {
		if added.num != 1 {
			continue
		}
		mine := fields{b: added.raw}
		for mine.next() {
			if mine.num != 1 {
				continue
			}
			g := fields{b: mine.raw}
			for g.next() {
				if g.num == 1 {
					return g.int()
				}
			}
		}
	}
	return 0
}
