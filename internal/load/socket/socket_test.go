package socket_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/load/socket"
)

// TestAgainstLibrary shakes hands and exchanges frames with a WebSocket library.
func TestAgainstLibrary(t *testing.T) {
	long := bytes.Repeat([]byte("long "), 20_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"muster.v1.proto"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(1 << 20)
		for range 3 {
			kind, b, err := c.Read(r.Context())
			if err != nil || kind != websocket.MessageBinary {
				t.Errorf("the library reads %v: %v", kind, err)
				return
			}
			if err := c.Write(r.Context(), kind, b); err != nil {
				t.Error(err)
			}
		}
	}))
	defer s.Close()
	host := strings.TrimPrefix(s.URL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	out := socket.AppendHandshake(nil, host)
	want := [][]byte{[]byte("short"), bytes.Repeat([]byte("m"), 300), long}
	for _, payload := range want {
		out = socket.AppendFrame(out, socket.OpBinary, payload)
	}
	if _, err := conn.Write(out); err != nil {
		t.Fatal(err)
	}
	var b []byte
	piece, shaken, got := make([]byte, 1000), false, 0
	for got < len(want) {
		n, err := conn.Read(piece)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, piece[:n]...)
		if !shaken {
			n, err := socket.Handshake(b)
			if err != nil {
				t.Fatal(err)
			}
			b, shaken = b[n:], n > 0
		}
		for shaken && got < len(want) {
			op, fin, payload, n, _, err := socket.Frame(b)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			if op != socket.OpBinary || !fin || !bytes.Equal(payload, want[got]) {
				t.Fatalf("frame %d came back as %x, %d bytes", got, op, len(payload))
			}
			b = b[n:]
			got++
		}
	}
}

func TestHandshake(t *testing.T) {
	const good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nsec-websocket-ACCEPT:  WAYSzGzujbDCGK0gUG9Wo+7zWMA=\r\n\r\n"
	if n, err := socket.Handshake([]byte(good + "\x82\x00")); err != nil || n != len(good) {
		t.Errorf("%d, %v", n, err)
	}
	for i := range good {
		if n, err := socket.Handshake([]byte(good[:i])); n != 0 || err != nil {
			t.Fatalf("cut at %d: %d, %v", i, n, err)
		}
	}
	_, err := socket.Handshake([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n"))
	if r, ok := errors.AsType[*socket.Refused](err); !ok || r.Status != 503 || r.After != 7 {
		t.Errorf("refused with %v", err)
	}
	for _, bad := range []string{
		"HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.0 101\r\n\r\n", "HTTP/1.1 1x1 \r\n\r\n", "\r\n\r\n", strings.Repeat("x", 17<<10),
		strings.Replace(good, "WAYS", "XAYS", 1),
	} {
		if _, err := socket.Handshake([]byte(bad)); !errors.Is(err, socket.ErrProtocol) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func TestFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte{7}, size)
		whole := socket.AppendServerFrame(nil, payload)
		op, fin, got, n, _, err := socket.Frame(whole)
		if err != nil || op != socket.OpBinary || !fin || n != len(whole) || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: %x %v %d %d %v", size, op, fin, len(got), n, err)
		}
		for cut := range min(len(whole), 200) {
			if _, _, _, n, need, err := socket.Frame(whole[:cut]); n != 0 || need <= cut || need > len(whole) || err != nil {
				t.Fatalf("%d bytes cut at %d: %d, %d are needed, %v", size, cut, n, need, err)
			}
		}
	}
	for name, bad := range map[string][]byte{
		"masked":         {0x82, 0x81, 1, 2, 3, 4, 5},
		"reserved bits":  {0xc2, 0x01, 1},
		"a long ping":    {0x89, 126, 0, 200},
		"a ping in part": {0x09, 0x00},
		"too large":      {0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0},
	} {
		if _, _, _, _, _, err := socket.Frame(bad); !errors.Is(err, socket.ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func events(t testing.TB, frames ...*musterv1.ServerFrame) (out []socket.Event) {
	b, err := proto.Marshal(&musterv1.ServerFrames{Frames: frames})
	if err != nil {
		t.Fatal(err)
	}
	var e socket.Event
	if err := socket.Events(b, &e, func(e *socket.Event) error { out = append(out, *e); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEvents holds the reading by hand to the generated code.
func TestEvents(t *testing.T) {
	type want struct {
		kind       socket.Kind
		id         uint64
		object     int64
		seq, after int64
		text       string
	}
	for _, test := range []struct {
		frame *musterv1.ServerFrame
		want  want
	}{
		{&musterv1.ServerFrame{Id: 3, Body: &musterv1.ServerFrame_Error{Error: &musterv1.Error{Code: "internal", Reason: "r", Message: "why", RetryAfterMs: 9}}}, want{socket.Error, 3, 0, 0, 9, "why"}},
		{&musterv1.ServerFrame{Id: 1, Body: &musterv1.ServerFrame_Welcome{Welcome: &musterv1.Welcome{AccountId: 5, Limits: &musterv1.Limits{MessagesPerSecond: 2.5}}}}, want{kind: socket.Welcome, id: 1}},
		{&musterv1.ServerFrame{Id: 2, Body: &musterv1.ServerFrame_Entered{Entered: &musterv1.Entered{ChannelId: 8, People: 4}}}, want{kind: socket.Entered, id: 2, object: 8, seq: 4}},
		{&musterv1.ServerFrame{Id: 1 << 40, Body: &musterv1.ServerFrame_Sent{Sent: &musterv1.SendResponse{Seq: 77, TimeMs: 1}}}, want{kind: socket.Sent, id: 1 << 40, seq: 77}},
		{&musterv1.ServerFrame{Id: 6, Body: &musterv1.ServerFrame_Said{Said: &musterv1.Said{Delivered: 12}}}, want{kind: socket.Said, id: 6, seq: 12}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelMessage{ChannelMessage: &musterv1.ChannelMessage{ChannelId: 9, SenderNickname: "n", Text: "hi"}}}, want{kind: socket.ChannelMessage, object: 9, text: "hi"}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_ChannelSkipped{ChannelSkipped: &musterv1.ChannelSkipped{ChannelId: 9, Count: 312}}}, want{kind: socket.ChannelSkipped, object: 9, seq: 312}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupMessage{GroupMessage: &musterv1.GroupMessage{GroupId: 1 << 60, Seq: 5, Text: "hey"}}}, want{kind: socket.GroupMessage, object: 1 << 60, seq: 5, text: "hey"}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupBehind{GroupBehind: &musterv1.GroupBehind{GroupId: 4, Head: 6}}}, want{kind: socket.GroupBehind, object: 4, seq: 6}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_SessionClosed{SessionClosed: &musterv1.SessionClosed{Code: 4100, Reason: "server_restart", RetryAfterMs: 50}}}, want{kind: socket.SessionClosed, seq: 4100, after: 50, text: "server_restart"}},
		{&musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupChanged{GroupChanged: &musterv1.GroupChanged{GroupId: 4}}}, want{kind: 25}},
	} {
		for _, e := range events(t, test.frame, test.frame) {
			if got := (want{e.Kind, e.ID, e.Object, e.Seq, e.After, string(e.Text)}); got != test.want {
				t.Errorf("%v: %+v instead of %+v", test.frame, got, test.want)
			}
		}
	}
}

func TestPages(t *testing.T) {
	synced := &musterv1.SyncResponse{More: true, Groups: []*musterv1.SyncedGroup{
		{Mine: &musterv1.MyGroup{Unread: 3}, Messages: []*musterv1.GroupMessage{{GroupId: 1, Seq: 1, Text: "a"}, {GroupId: 1, Seq: 2, Text: "b"}}},
		{Messages: []*musterv1.GroupMessage{{GroupId: 2, Seq: 9}}, More: true},
	}}
	e := events(t, &musterv1.ServerFrame{Id: 3, Body: &musterv1.ServerFrame_Synced{Synced: synced}})[0]
	var got []int64
	more, err := socket.Pages(e.Body, func(m *socket.Event) error { got = append(got, m.Object, m.Seq); return nil })
	if err != nil || !more || !slices.Equal(got, []int64{1, 1, 1, 2, 2, 9}) {
		t.Errorf("%v, more: %v, %v", got, more, err)
	}
	added := events(t, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_MemberAdded{MemberAdded: &musterv1.MemberAdded{
		EnrolmentId: 3, Mine: &musterv1.MyGroup{ReadSeq: 1, Group: &musterv1.Group{Name: "g", Id: 42}},
	}}})[0]
	if id := socket.AddedTo(added.Body); added.Kind != socket.MemberAdded || id != 42 {
		t.Errorf("added to %d", id)
	}
}

// FuzzEvents gives the readers what no server sends: they must not panic, and
// take what the generated code takes.
func FuzzEvents(f *testing.F) {
	for _, frames := range []*musterv1.ServerFrames{
		{},
		{Frames: []*musterv1.ServerFrame{{Id: 1, Body: &musterv1.ServerFrame_Welcome{Welcome: &musterv1.Welcome{Name: "n"}}}}},
		{Frames: []*musterv1.ServerFrame{{Body: &musterv1.ServerFrame_GroupMessage{GroupMessage: &musterv1.GroupMessage{GroupId: 1, Seq: 2, Text: "t"}}}}},
	} {
		b, err := proto.Marshal(frames)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e socket.Event
		err := socket.Events(b, &e, func(e *socket.Event) error {
			_, _ = socket.Pages(e.Body, func(*socket.Event) error { return nil })
			_ = socket.AddedTo(e.Body)
			return nil
		})
		var frames musterv1.ServerFrames
		if err != nil && proto.Unmarshal(b, &frames) == nil && len(frames.ProtoReflect().GetUnknown()) == 0 && plain(&frames) {
			t.Errorf("the generated code takes %x: %v", b, err)
		}
	})
}

// plain says that a message holds nothing but what it would be written as.
func plain(frames *musterv1.ServerFrames) bool {
	for _, f := range frames.GetFrames() {
		if len(f.ProtoReflect().GetUnknown()) > 0 {
			return false
		}
	}
	return true
}

func FuzzFrame(f *testing.F) {
	f.Add(socket.AppendServerFrame(nil, []byte("hello")))
	f.Add([]byte{0x82, 126, 1, 0})
	f.Add([]byte("HTTP/1.1 503 x\r\nRetry-After: 3\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := socket.Handshake(b); n > len(b) || n > 0 && err != nil {
			t.Errorf("handshake: %d of %d bytes, %v", n, len(b), err)
		}
		_, _, payload, n, need, err := socket.Frame(b)
		switch {
		case n > len(b) || len(payload) > n:
			t.Errorf("%d of %d bytes", n, len(b))
		case err == nil && n == 0 && need <= len(b):
			t.Errorf("%d bytes are needed, there are %d", need, len(b))
		}
	})
}
