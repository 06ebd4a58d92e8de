package wire

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/channel"
	"muster/internal/group"
)

func drawText(r *rapid.T, label string) string { return rapid.StringN(0, 20, 400).Draw(r, label) }

// drawID draws ids as they are, and the edges of int64.
func drawID(r *rapid.T, label string) int64 {
	return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, 127, 128, -1})).Draw(r, label)
}

func drawMessage(r *rapid.T) group.Message {
	return group.Message{
		Draft: group.Draft{
			Group: muster.GroupID(drawID(r, "group")), Sender: muster.AccountID(drawID(r, "sender")),
			Nickname: drawText(r, "nickname"), ClientID: drawText(r, "client id"), Text: drawText(r, "text"),
			Kind:    rapid.SampledFrom([]group.MessageKind{0, group.KindText, group.KindJoined, group.KindTombstone}).Draw(r, "kind"),
			ReplyTo: muster.Seq(drawID(r, "reply")), Subgroup: muster.SubgroupID(drawID(r, "sub")), Count: drawID(r, "count"),
		},
		Seq:  muster.Seq(drawID(r, "seq")),
		Time: muster.FromMillis(rapid.Int64Range(0, 4e12).Draw(r, "time")),
	}
}

// TestByHand holds what is encoded by hand to the generated code.
func TestByHand(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		messages := rapid.SliceOfN(rapid.Custom(drawMessage), 0, 4).Draw(r, "messages")
		id := rapid.Uint64().Draw(r, "id")
		more := rapid.Bool().Draw(r, "more")

		var got []byte
		var want musterv1.ServerFrames
		for i := range messages {
			got = AppendGroupMessage(got, &messages[i])
			want.Frames = append(want.Frames, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupMessage{GroupMessage: GroupMessage(messages[i])}})
		}

		said := channel.Message{
			Channel: 7, Sender: channel.Present{Account: 8, Nickname: drawText(r, "nick"), Level: muster.Level(rapid.IntRange(0, 6).Draw(r, "level"))},
			ClientMessageID: drawText(r, "cid"), Text: drawText(r, "said"), Time: time.UnixMilli(1234),
		}
		got = AppendChannelMessage(got, &said)
		want.Frames = append(want.Frames, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelMessage{ChannelMessage: ChannelMessage(said)}})

		receipt := group.Receipt{Seq: muster.Seq(drawID(r, "receipt")), Time: time.UnixMilli(99)}
		got = AppendSent(got, id, receipt)
		want.Frames = append(want.Frames, &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Sent{Sent: Sent(receipt)}})

		history := group.History{Messages: messages, Head: muster.Seq(drawID(r, "head")), More: more}
		got = AppendHistory(got, id, &history)
		want.Frames = append(want.Frames, &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_History{History: History(history)}})

		one := group.Synced{Mine: group.Mine{Group: group.Group{ID: 3, Name: drawText(r, "name")}, Head: 9, Read: 4, Role: muster.RoleAdmin}, Messages: messages, More: more}
		gone := rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(r, "gone")
		body := AppendSyncEnd(AppendSynced(AppendSynced(nil, &one), &one), gone, more)
		got = append(AppendSyncHead(got, id, len(body)), body...)
		answer := &musterv1.SyncResponse{Groups: []*musterv1.SyncedGroup{Synced(one), Synced(one)}, Gone: gone, More: more}
		want.Frames = append(want.Frames, &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Synced{Synced: answer}})

		last := &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Ok{Ok: &musterv1.Ok{}}}
		got = AppendFrame(got, last)
		want.Frames = append(want.Frames, last)

		expected, err := proto.MarshalOptions{Deterministic: true}.Marshal(&want)
		if err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(got, expected) {
			r.Fatalf("by hand  %x\ngenerated %x", got, expected)
		}
	})
}

// TestFramesJSON turns frames into lines and back.
func TestFramesJSON(t *testing.T) {
	m := group.Message{Draft: group.Draft{Group: 5, Sender: 6, Text: "two\nlines 夜", Kind: group.KindText}, Seq: 1 << 60}
	encoded := AppendSent(AppendGroupMessage(nil, &m), 3, group.Receipt{Seq: 1})
	text, err := FramesJSON(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 1 {
		t.Fatalf("%d newlines in two frames:\n%s", n, text)
	}
	fromJSON, err := ParseServerFrames(text, true)
	if err != nil {
		t.Fatal(err)
	}
	fromProto, err := ParseServerFrames(encoded, false)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&musterv1.ServerFrames{Frames: fromJSON}, &musterv1.ServerFrames{Frames: fromProto}) {
		t.Fatalf("in JSON %v, in protobuf %v", fromJSON, fromProto)
	}
}

func FuzzParseClientFrame(f *testing.F) {
	for _, seed := range []*musterv1.ClientFrame{
		{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: "t"}}},
		{Id: 2, Body: &musterv1.ClientFrame_Sync{Sync: &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: 1}}}}},
		{Body: &musterv1.ClientFrame_History{History: &musterv1.ListMessagesRequest{Before: proto.Int64(1)}}},
	} {
		for _, inJSON := range []bool{false, true} {
			b, err := EncodeClientFrame(seed, inJSON)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, inJSON)
		}
	}
	f.Add([]byte(`{"id":`), true)
	f.Add([]byte("\xff\xff\xff\xff\x01"), false)
	f.Fuzz(func(t *testing.T, payload []byte, inJSON bool) {
		frame, err := ParseClientFrame(payload, inJSON)
		if err != nil {
			if muster.CodeOf(err) != muster.CodeInvalidArgument {
				t.Fatalf("a bad frame is %v: %v", muster.CodeOf(err), err)
			}
			return
		}
		// What was accepted can be sent on.
		if _, err := EncodeClientFrame(frame, true); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkGroupMessage(b *testing.B) {
	m := group.Message{
		Draft: group.Draft{
			Group: 1 << 60, Sender: 1 << 59, Nickname: "night owl", ClientID: "0192f0c1-2b3c-7def-8123-456789abcdef",
			Kind: group.KindText, Text: strings.Repeat("x", 256),
		},
		Seq: 1000, Time: time.UnixMilli(1.7e12),
	}
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = AppendGroupMessage(buf[:0], &m)
		}
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = AppendFrame(buf[:0], &musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupMessage{GroupMessage: GroupMessage(m)}})
		}
	})
}
