package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/channel"
	"muster/internal/group"
)

// What is sent by the million is encoded by hand: that is several times as fast
// as through the generated code and allocates nothing (BenchmarkGroupMessage);
// TestByHand holds the two together. The constants are field numbers of
// proto/muster/v1.
const (
	framesFrames = 1 // of ServerFrames

	frameID             = 1 // of ServerFrame
	frameSent           = 6
	frameSynced         = 7
	frameHistory        = 8
	frameChannelMessage = 20
	frameGroupMessage   = 24

	syncGroups  = 1 // of SyncResponse
	syncGone    = 2
	syncMore    = 3
	syncedMine  = 1 // of SyncedGroup
	syncedMsgs  = 2
	syncedMore  = 3
	historyMsgs = 1 // of ListMessagesResponse
	historyHead = 2
	historyMore = 3
	sentSeq     = 1 // of SendResponse
	sentTime    = 2
	// maxPrefixLen is what a length and a few heads take at most.
	maxPrefixLen = 32
)

// sizeInt is the size of an integer field, nothing when it is 0.
func sizeInt(field protowire.Number, v int64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeVarint(uint64(v)) //nolint:gosec // protobuf's int64
}

func sizeText(field protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(field) + protowire.SizeBytes(len(s))
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v)) //nolint:gosec // protobuf's int64
}

func appendBool(b []byte, field protowire.Number, v bool) []byte {
	if v {
		return appendInt(b, field, 1)
	}
	return b
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// appendHead begins a field that holds a message of a size.
func appendHead(b []byte, field protowire.Number, size int) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size)) //nolint:gosec // a length
}

// appendFrameHead begins one ServerFrame inside ServerFrames whose body has a
// field number and a size.
func appendFrameHead(b []byte, id uint64, field protowire.Number, size int) []byte {
	inner := protowire.SizeTag(field) + protowire.SizeBytes(size)
	if id != 0 {
		inner += protowire.SizeTag(frameID) + protowire.SizeVarint(id)
	}
	b = appendHead(b, framesFrames, inner)
	if id != 0 {
		b = protowire.AppendTag(b, frameID, protowire.VarintType)
		b = protowire.AppendVarint(b, id)
	}
	return appendHead(b, field, size)
}

// AppendFrame appends one frame to an encoded ServerFrames. Joining the results
// joins the frames.
func AppendFrame(b []byte, f *musterv1.ServerFrame) []byte {
	size := proto.Size(f)
	b = appendHead(b, framesFrames, size)
	b, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, f) // fails on texts that are not UTF-8 only; the domain has none
	return b
}

func sizeGroupMessage(m *group.Message) int {
	return sizeInt(1, int64(m.Group)) + sizeInt(2, int64(m.Seq)) + sizeInt(3, Millis(m.Time)) +
		sizeInt(4, int64(m.Sender)) + sizeText(5, m.Nickname) + sizeText(6, m.ClientID) +
		sizeInt(7, int64(MessageKind(m.Kind))) + sizeText(8, m.Text) + sizeInt(9, int64(m.ReplyTo)) +
		sizeInt(10, int64(m.Subgroup)) + sizeInt(11, m.Count)
}

func appendGroupMessage(b []byte, m *group.Message) []byte {
	b = appendInt(b, 1, int64(m.Group))
	b = appendInt(b, 2, int64(m.Seq))
	b = appendInt(b, 3, Millis(m.Time))
	b = appendInt(b, 4, int64(m.Sender))
	b = appendText(b, 5, m.Nickname)
	b = appendText(b, 6, m.ClientID)
	b = appendInt(b, 7, int64(MessageKind(m.Kind)))
	b = appendText(b, 8, m.Text)
	b = appendInt(b, 9, int64(m.ReplyTo))
	b = appendInt(b, 10, int64(m.Subgroup))
	return appendInt(b, 11, m.Count)
}

// AppendGroupMessage appends the frame that pushes a group's message to an
// encoded ServerFrames.
func AppendGroupMessage(b []byte, m *group.Message) []byte {
	size := sizeGroupMessage(m)
	return appendGroupMessage(appendFrameHead(b, 0, frameGroupMessage, size), m)
}

// AppendChannelMessage appends the frame that pushes what was said in a room.
func AppendChannelMessage(b []byte, m *channel.Message) []byte {
	ms, level := Millis(m.Time), int64(m.Sender.Level)
	size := sizeInt(1, int64(m.Channel)) + sizeInt(2, int64(m.Sender.Account)) + sizeText(3, m.Sender.Nickname) +
		sizeInt(4, level) + sizeText(5, m.ClientMessageID) + sizeText(6, m.Text) + sizeInt(7, ms)
	b = appendFrameHead(b, 0, frameChannelMessage, size)
	b = appendInt(b, 1, int64(m.Channel))
	b = appendInt(b, 2, int64(m.Sender.Account))
	b = appendText(b, 3, m.Sender.Nickname)
	b = appendInt(b, 4, level)
	b = appendText(b, 5, m.ClientMessageID)
	b = appendText(b, 6, m.Text)
	return appendInt(b, 7, ms)
}

// AppendSent appends the answer to a send.
func AppendSent(b []byte, id uint64, r group.Receipt) []byte {
	ms := Millis(r.Time)
	size := sizeInt(sentSeq, int64(r.Seq)) + sizeInt(sentTime, ms)
	b = appendFrameHead(b, id, frameSent, size)
	b = appendInt(b, sentSeq, int64(r.Seq))
	return appendInt(b, sentTime, ms)
}

// AppendSynced appends one group to the encoded SyncResponse.
func AppendSynced(b []byte, s *group.Synced) []byte {
	mine := MyGroup(s.Mine)
	mineSize := proto.Size(mine)
	size := protowire.SizeTag(syncedMine) + protowire.SizeBytes(mineSize)
	for i := range s.Messages {
		size += protowire.SizeTag(syncedMsgs) + protowire.SizeBytes(sizeGroupMessage(&s.Messages[i]))
	}
	if s.More {
		size += sizeInt(syncedMore, 1)
	}
	b = slices.Grow(b, size+maxPrefixLen)
	b = appendHead(b, syncGroups, size)
	b = appendHead(b, syncedMine, mineSize)
	b, _ = proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, mine) // as in AppendFrame
	b = appendMessages(b, syncedMsgs, s.Messages)
	return appendBool(b, syncedMore, s.More)
}

// AppendSyncEnd appends what a SyncResponse says beside its groups.
func AppendSyncEnd[G ~int64](b []byte, gone []G, more bool) []byte {
	if len(gone) > 0 {
		size := 0
		for _, id := range gone {
			size += protowire.SizeVarint(uint64(id)) //nolint:gosec // protobuf's int64
		}
		b = appendHead(b, syncGone, size)
		for _, id := range gone {
			b = protowire.AppendVarint(b, uint64(id)) //nolint:gosec // protobuf's int64
		}
	}
	return appendBool(b, syncMore, more)
}

// AppendSyncHead begins the frame of an encoded SyncResponse of a size; the
// response itself is to follow.
func AppendSyncHead(b []byte, id uint64, size int) []byte {
	return appendFrameHead(b, id, frameSynced, size)
}

// AppendHistory appends the answer that holds a page of messages.
func AppendHistory(b []byte, id uint64, h *group.History) []byte {
	size := sizeInt(historyHead, int64(h.Head))
	if h.More {
		size += sizeInt(historyMore, 1)
	}
	for i := range h.Messages {
		size += protowire.SizeTag(historyMsgs) + protowire.SizeBytes(sizeGroupMessage(&h.Messages[i]))
	}
	b = slices.Grow(b, size+maxPrefixLen)
	b = appendFrameHead(b, id, frameHistory, size)
	b = appendMessages(b, historyMsgs, h.Messages)
	b = appendInt(b, historyHead, int64(h.Head))
	return appendBool(b, historyMore, h.More)
}

func appendMessages(b []byte, field protowire.Number, messages []group.Message) []byte {
	for i := range messages {
		b = appendHead(b, field, sizeGroupMessage(&messages[i]))
		b = appendGroupMessage(b, &messages[i])
	}
	return b
}
