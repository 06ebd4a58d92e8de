package gateway_test

import (
	"testing"

	"github.com/gobwas/ws"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/wire"
)

// FuzzFrame sends one message of any content, then asks something: the server
// answers both or closes the connection, and goes on. What the message asks for
// is really done, on a real store.
func FuzzFrame(f *testing.F) {
	r := start(f, nil)
	ps := r.people("anna", "bert")
	id, room := int64(r.group(ps...)), int64(r.channel(ps[0], channel.Settings{}))
	before := int64(3)
	for _, seed := range []*musterv1.ClientFrame{
		{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: ps[0].token}}},
		{Id: 2, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: room}}},
		{Id: 3, Body: &musterv1.ClientFrame_Exit{Exit: &musterv1.Exit{}}},
		{Id: 4, Body: &musterv1.ClientFrame_Say{Say: &musterv1.Say{ChannelId: room, Text: "x"}}},
		{Id: 5, Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{GroupId: id, ClientMessageId: "m", Text: "x"}}},
		{Id: 6, Body: &musterv1.ClientFrame_Sync{Sync: &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: id, Seq: 1}}, MaxBytes: 10}}},
		{Id: 7, Body: &musterv1.ClientFrame_History{History: &musterv1.ListMessagesRequest{GroupId: id, Before: &before, Limit: 3}}},
		{Id: 8, Body: &musterv1.ClientFrame_Read{Read: &musterv1.MarkReadRequest{GroupId: id, Seq: 1}}},
		{Id: 9, Body: &musterv1.ClientFrame_Answer{Answer: &musterv1.AnswerInvitationRequest{InvitationId: 1, Choice: 1}}},
		{Id: 10, Body: &musterv1.ClientFrame_Typing{Typing: &musterv1.Typing{GroupId: id}}},
		{Id: 11, Body: &musterv1.ClientFrame_Background{Background: &musterv1.Background{On: true}}},
		{Id: 12},
	} {
		for _, inJSON := range []bool{false, true} {
			b, err := wire.EncodeClientFrame(seed, inJSON)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, inJSON, false)
			f.Add(b, inJSON, true)
		}
	}
	f.Add([]byte(`{"id":"18446744073709551615","sync":{"positions":[{"groupId":"-1","seq":"-9"}],"maxBytes":"-1"}}`), true, false)
	f.Add([]byte("\xff\xff"), true, false)
	f.Fuzz(func(t *testing.T, payload []byte, inJSON, fragmented bool) {
		r.TB = t
		c := ps[0].welcomed(inJSON)
		defer func() { _ = c.nc.Close() }()
		if fragmented && len(payload) > 1 {
			op := ws.OpBinary
			if inJSON {
				op = ws.OpText
			}
			half := len(payload) / 2
			_ = ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(op, false, append([]byte(nil), payload[:half]...))))
			_ = ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(ws.OpContinuation, true, append([]byte(nil), payload[half:]...))))
		} else {
			c.payload(payload)
		}
		const last = 1<<63 + 77
		c.frame(&musterv1.ClientFrame{Id: last, Body: &musterv1.ClientFrame_Background{Background: &musterv1.Background{}}})
		for {
			frames, code := c.next()
			for _, f := range frames {
				if e := f.GetError(); e.GetCode() == muster.CodeInternal.String() {
					t.Fatalf("the server's own fault: %v", r.logged)
				}
				if f.GetId() == last {
					return
				}
			}
			if code != 0 {
				if code != 1007 && code != 1009 && code != 4202 {
					t.Fatalf("closed with %d", code)
				}
				return
			}
		}
	})
}
