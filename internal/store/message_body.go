package store

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"muster"
	"muster/internal/group"
)

// The field numbers of muster.store.v1.Body. It is written and read by hand: that
// is several times as fast as through the generated code (BenchmarkBody), and
// TestBodyIsProtobuf holds the two together.
const (
	bodyKind     = 1
	bodyText     = 2
	bodyReplyTo  = 3
	bodySubgroup = 4
	bodyCount    = 5
	bodyNickname = 6
)

// bodyRoom is what a body takes beside its texts, as a rule.
const bodyRoom = 32

// appendBody appends a message's muster.store.v1.Body. Fields that are 0 or
// empty are left out, as protobuf does.
func appendBody(b []byte, d *group.Draft) []byte {
	number := func(field protowire.Number, v int64) {
		if v != 0 {
			b = protowire.AppendTag(b, field, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(v)) //nolint:gosec // protobuf's int64
		}
	}
	text := func(field protowire.Number, s string) {
		if s != "" {
			b = protowire.AppendTag(b, field, protowire.BytesType)
			b = protowire.AppendString(b, s)
		}
	}
	number(bodyKind, int64(d.Kind))
	text(bodyText, d.Text)
	number(bodyReplyTo, int64(d.ReplyTo))
	number(bodySubgroup, int64(d.Subgroup))
	number(bodyCount, d.Count)
	text(bodyNickname, d.Nickname)
	return b
}

// errBody says that a stored body is not one.
var errBody = errors.New("store: a stored message body cannot be decoded")

// decodeBody sets the fields of d that a body holds. The strings share the
// body's memory. Unknown fields, of a newer program, are passed over.
func decodeBody(body string, d *group.Draft) error {
	for body != "" {
		tag, n := uvarint(body)
		if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return errBody
		}
		body = body[n:]
		var number uint64
		var text string
		switch protowire.Type(tag & 7) { //nolint:gosec // three bits
		case protowire.VarintType:
			if number, n = uvarint(body); n <= 0 {
				return errBody
			}
		case protowire.BytesType:
			size, m := uvarint(body)
			if m <= 0 || size > uint64(len(body)-m) {
				return errBody
			}
			n = m + int(size) //nolint:gosec // at most the length of body
			text = body[m:n]
		default: // not used by any field so far
			if n = protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), []byte(body)); n < 0 { //nolint:gosec // checked above
				return errBody
			}
		}
		body = body[n:]
		if err := setBodyField(d, tag, number, text); err != nil {
			return err
		}
	}
	if d.Kind == 0 || d.Kind == group.KindTombstone {
		return errBody
	}
	return nil
}

func setBodyField(d *group.Draft, tag, number uint64, text string) error {
	const varint, bytes = uint64(protowire.VarintType), uint64(protowire.BytesType)
	switch tag {
	case bodyKind<<3 | varint:
		// A kind that we cannot hold is refused at the end, unless another follows.
		d.Kind = group.MessageKind(min(uint32(number), math.MaxUint8)) //nolint:gosec // protobuf truncates, too
	case bodyText<<3 | bytes:
		d.Text = text
	case bodyReplyTo<<3 | varint:
		d.ReplyTo = muster.Seq(number) //nolint:gosec // protobuf's int64
	case bodySubgroup<<3 | varint:
		d.Subgroup = muster.SubgroupID(number) //nolint:gosec // protobuf's int64
	case bodyCount<<3 | varint:
		d.Count = int64(number) //nolint:gosec // protobuf's int64
	case bodyNickname<<3 | bytes:
		d.Nickname = text
	default:
		return nil
	}
	if text != "" && !utf8.ValidString(text) {
		return errBody
	}
	return nil
}

// uvarint is binary.Uvarint of a string; n <= 0: there is none.
func uvarint(s string) (v uint64, n int) {
	for shift := 0; n < len(s) && n < binary.MaxVarintLen64; shift += 7 {
		c := s[n]
		n++
		if c < 0x80 {
			if n == binary.MaxVarintLen64 && c > 1 {
				return 0, -1
			}
			return v | uint64(c)<<shift, n
		}
		v |= uint64(c&0x7f) << shift
	}
	return 0, -1
}

// The journal's record of a message, little-endian:
//
//	0  format, 1          17 milliseconds since 1970   33 length of the client id
//	1  group              25 sender                    34 client id
//	9  seq                                             then the body, to the end
const (
	recordFormat   = 1
	recordGroupAt  = 1
	recordSeqAt    = 9
	recordMillisAt = 17
	recordSenderAt = 25
	recordIDAt     = 33
)

// newRecord encodes a draft; stampRecord fills in what the writer decides.
func newRecord(d *group.Draft) []byte {
	b := make([]byte, recordIDAt, recordIDAt+1+len(d.ClientID)+len(d.Text)+len(d.Nickname)+48)
	b[0] = recordFormat
	binary.LittleEndian.PutUint64(b[recordGroupAt:], uint64(d.Group))   //nolint:gosec // two's complement
	binary.LittleEndian.PutUint64(b[recordSenderAt:], uint64(d.Sender)) //nolint:gosec // two's complement
	b = append(b, byte(len(d.ClientID)))                                //nolint:gosec // at most maxClientID
	b = append(b, d.ClientID...)
	return appendBody(b, d)
}

func stampRecord(b []byte, seq muster.Seq, ms int64) {
	binary.LittleEndian.PutUint64(b[recordSeqAt:], uint64(seq))   //nolint:gosec // two's complement
	binary.LittleEndian.PutUint64(b[recordMillisAt:], uint64(ms)) //nolint:gosec // two's complement
}

// recordBody is the body inside a record that newRecord made.
func recordBody(b []byte) []byte { return b[recordIDAt+1+int(b[recordIDAt]):] }

// recordClientID is the client id inside a record.
func recordClientID(b []byte) []byte { return b[recordIDAt+1 : recordIDAt+1+int(b[recordIDAt])] }

// parseRecord decodes a record of the journal; the result shares no memory with
// b. A body that cannot be decoded becomes a tombstone, as in a row.
func parseRecord(b []byte) (d group.Draft, seq muster.Seq, ms int64, err error) {
	if len(b) <= recordIDAt || b[0] != recordFormat || len(b) < recordIDAt+1+int(b[recordIDAt]) {
		return d, 0, 0, errors.New("store: a record of the journal has an unknown format: it was written by a newer muster, run that one")
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[i:])) } //nolint:gosec // two's complement
	d.Group, d.Sender = muster.GroupID(at(recordGroupAt)), muster.AccountID(at(recordSenderAt))
	d.ClientID = string(b[recordIDAt+1 : recordIDAt+1+int(b[recordIDAt])])
	if err := decodeBody(string(recordBody(b)), &d); err != nil {
		d = group.Draft{Group: d.Group, Sender: d.Sender, ClientID: d.ClientID, Kind: group.KindTombstone}
	}
	return d, muster.Seq(at(recordSeqAt)), at(recordMillisAt), nil
}

// tombstone stands for a message that cannot be read.
func tombstone(id muster.GroupID, seq muster.Seq) group.Message {
	return group.Message{Draft: group.Draft{Group: id, Kind: group.KindTombstone}, Seq: seq}
}
