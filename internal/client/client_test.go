package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/client"
	"muster/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds a hang.
const patience = 20 * time.Second

// peer is the server's end of one connection.
type peer struct {
	t    *testing.T
	ws   *websocket.Conn
	ctx  context.Context
	json bool
}

func (p *peer) write(frames ...*musterv1.ServerFrame) {
	var b []byte
	for _, f := range frames {
		b = wire.AppendFrame(b, f)
	}
	kind := websocket.MessageBinary
	if p.json {
		kind = websocket.MessageText
		var err error
		if b, err = wire.FramesJSON(b); err != nil {
			p.t.Error(err)
		}
	}
	_ = p.ws.Write(p.ctx, kind, b) // who has gone shows when reading
}

// read gives the next frame; nil at the end.
func (p *peer) read() *musterv1.ClientFrame {
	_, b, err := p.ws.Read(p.ctx)
	if err != nil {
		return nil
	}
	f, err := wire.ParseClientFrame(b, p.json)
	if err != nil {
		p.t.Errorf("the client sent no frame: %v", err)
	}
	return f
}

// serve runs a server whose n-th connection, from 1, is handled by script after
// its hello was welcomed.
func serve(t *testing.T, script func(n int, p *peer)) string {
	t.Helper()
	var mu sync.Mutex
	conns := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.SubprotocolProto, wire.SubprotocolJSON}})
		if err != nil {
			return
		}
		defer func() { _ = ws.CloseNow() }()
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		p := &peer{t, ws, ctx, ws.Subprotocol() == wire.SubprotocolJSON}
		hello := p.read()
		if hello.GetHello() == nil {
			return
		}
		p.write(&musterv1.ServerFrame{Id: hello.GetId(), Body: &musterv1.ServerFrame_Welcome{Welcome: &musterv1.Welcome{Name: "anna"}}})
		mu.Lock()
		conns++
		n := conns
		mu.Unlock()
		script(n, p)
	}))
	t.Cleanup(func() { s.Close(); http.DefaultClient.CloseIdleConnections() })
	return s.URL
}

func ok(id uint64) *musterv1.ServerFrame {
	return &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Ok{Ok: &musterv1.Ok{}}}
}

func push(seq int64) *musterv1.ServerFrame {
	return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupMessage{GroupMessage: &musterv1.GroupMessage{GroupId: 1, Seq: seq}}}
}

func closing(code uint32, retry musterv1.Retry, after time.Duration) *musterv1.ServerFrame {
	return &musterv1.ServerFrame{Body: &musterv1.ServerFrame_SessionClosed{SessionClosed: &musterv1.SessionClosed{
		Code: code, Reason: "because", Retry: retry, RetryAfterMs: after.Milliseconds(),
	}}}
}

// TestCorrelation answers requests in another order, with events between.
func TestCorrelation(t *testing.T) {
	for _, inJSON := range []bool{false, true} {
		url := serve(t, func(_ int, p *peer) {
			var ids []uint64
			for range 10 {
				ids = append(ids, p.read().GetId())
			}
			slices.Reverse(ids)
			for i, id := range ids {
				p.write(push(int64(i+1)), &musterv1.ServerFrame{Id: id, Body: &musterv1.ServerFrame_Said{Said: &musterv1.Said{Delivered: int64(id)}}})
			}
			p.read()
		})
		l, err := client.Dial(t.Context(), client.Options{URL: url, JSON: inJSON})
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan [2]int64, 10)
		for range 10 {
			f := &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Exit{Exit: &musterv1.Exit{}}}
			err := l.Go(t.Context(), f, func(a *musterv1.ServerFrame, err error) {
				if err != nil {
					t.Error(err)
				}
				answers <- [2]int64{int64(a.GetId()), a.GetSaid().GetDelivered()} //nolint:gosec // small
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if a := <-answers; a[0] != a[1] {
				t.Errorf("the answer to %d is that to %d", a[0], a[1])
			}
		}
		for seq := int64(1); seq <= 10; seq++ {
			if got := (<-l.Events()).GetGroupMessage().GetSeq(); got != seq {
				t.Errorf("event %d is %d", seq, got)
			}
		}
		_ = l.Close()
	}
}

// TestCallEnds ends a call by its context: the connection goes on.
func TestCallEnds(t *testing.T) {
	url := serve(t, func(_ int, p *peer) {
		p.read() // never answered
		for f := p.read(); f != nil; f = p.read() {
			p.write(ok(f.GetId()))
		}
	})
	l, err := client.Dial(t.Context(), client.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := l.Exit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the call ends with %v", err)
	}
	if err := l.Exit(t.Context()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// TestClosed tells every call under way why the connection ended.
func TestClosed(t *testing.T) {
	for _, test := range []struct {
		name  string
		end   func(p *peer)
		code  int
		retry musterv1.Retry
		after time.Duration
	}{
		{"told", func(p *peer) {
			p.write(closing(4100, musterv1.Retry_RETRY_LATER, 1500*time.Millisecond))
			_ = p.ws.Close(4100, "because")
		}, 4100, musterv1.Retry_RETRY_LATER, 1500 * time.Millisecond},
		{"code alone, now", func(p *peer) { _ = p.ws.Close(4000, "x") }, 4000, musterv1.Retry_RETRY_NOW, 0},
		{"code alone, later", func(p *peer) { _ = p.ws.Close(4101, "x") }, 4101, musterv1.Retry_RETRY_LATER, 0},
		{"code alone, never", func(p *peer) { _ = p.ws.Close(4201, "x") }, 4201, musterv1.Retry_RETRY_NEVER, 0},
		{"cut", func(p *peer) { _ = p.ws.CloseNow() }, 0, musterv1.Retry_RETRY_NOW, 0},
	} {
		url := serve(t, func(_ int, p *peer) {
			p.read()
			test.end(p)
		})
		l, err := client.Dial(t.Context(), client.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		err = l.Exit(t.Context())
		e, ok := errors.AsType[*client.ClosedError](err)
		if !ok || e.Code != test.code || e.Retry != test.retry || e.After != test.after {
			t.Errorf("%s: %+v", test.name, err)
		}
		<-l.Done()
		if err := l.Exit(t.Context()); err == nil {
			t.Errorf("%s: a call after the end succeeds", test.name)
		}
		_ = l.Close()
	}
}

// synced answers a sync of group 1 with the messages behind from, up to to.
func synced(from, to int64) *musterv1.SyncResponse {
	g := &musterv1.SyncedGroup{Mine: &musterv1.MyGroup{Group: &musterv1.Group{Id: 1, Head: to}}}
	for seq := from + 1; seq <= to; seq++ {
		g.Messages = append(g.Messages, &musterv1.GroupMessage{GroupId: 1, Seq: seq})
	}
	return &musterv1.SyncResponse{Groups: []*musterv1.SyncedGroup{g}}
}

// TestFollower pushes with repeats, gaps and cuts: the application gets 1, 2, 3
// ... once each.
func TestFollower(t *testing.T) {
	const last = 12
	url := serve(t, func(n int, p *peer) {
		// What each connection's log has when it syncs, and what it pushes then.
		heads := []int64{2, 5, last}
		pushes := [][]int64{{1, 2, 3, 3, 2, 4}, {9, 6}, {12, 11, 3}}
		i := min(n, len(heads)) - 1
		for first := true; ; first = false {
			f := p.read()
			if f == nil {
				return
			}
			var at int64
			for _, pos := range f.GetSync().GetPositions() {
				at = pos.GetSeq()
			}
			p.write(&musterv1.ServerFrame{Id: f.GetId(), Body: &musterv1.ServerFrame_Synced{Synced: synced(at, max(at, heads[i]))}})
			if first {
				for _, seq := range pushes[i] {
					p.write(push(seq))
				}
				if n == 1 {
					_ = p.ws.CloseNow()
				}
				continue
			}
			_ = p.ws.Close(4000, "again")
		}
	})
	got := make(chan int64, 100)
	f := client.NewFollower(client.Options{URL: url}, map[muster.GroupID]muster.Seq{1: 0}, client.Handler{
		Message: func(m *musterv1.GroupMessage) { got <- m.GetSeq() },
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	for want := int64(1); want <= last; want++ {
		select {
		case seq := <-got:
			if seq != want {
				t.Fatalf("got %d instead of %d", seq, want)
			}
		case err := <-done:
			t.Fatalf("ended before %d: %v", want, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(got) > 0 {
		t.Errorf("%d came again", <-got)
	}
}

// TestFollowerSend cuts the connection before the answer: the message is sent
// again under the same id.
func TestFollowerSend(t *testing.T) {
	var mu sync.Mutex
	var ids []string
	url := serve(t, func(n int, p *peer) {
		for f := p.read(); f != nil; f = p.read() {
			if f.GetSync() != nil {
				p.write(&musterv1.ServerFrame{Id: f.GetId(), Body: &musterv1.ServerFrame_Synced{Synced: &musterv1.SyncResponse{}}})
				continue
			}
			mu.Lock()
			ids = append(ids, f.GetSend().GetClientMessageId())
			mu.Unlock()
			if n < 3 {
				return // the connection is cut
			}
			p.write(&musterv1.ServerFrame{Id: f.GetId(), Body: &musterv1.ServerFrame_Sent{Sent: &musterv1.SendResponse{Seq: 7}}})
		}
	})
	f := client.NewFollower(client.Options{URL: url}, nil, client.Handler{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	sent, err := f.Send(ctx, &musterv1.SendRequest{GroupId: 1, Text: "x"})
	if err != nil || sent.GetSeq() != 7 {
		t.Errorf("sent: %v, %v", sent, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != 3 || ids[0] == "" || ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("sent under %q", ids)
	}
}

// TestFollowerNever does not come back where the server says so.
func TestFollowerNever(t *testing.T) {
	var mu sync.Mutex
	conns := 0
	url := serve(t, func(_ int, p *peer) {
		mu.Lock()
		conns++
		mu.Unlock()
		p.read()
		p.write(closing(4201, musterv1.Retry_RETRY_NEVER, 0))
		_ = p.ws.Close(4201, "session_ended")
	})
	f := client.NewFollower(client.Options{URL: url}, nil, client.Handler{})
	err := f.Run(t.Context())
	if e, ok := errors.AsType[*client.ClosedError](err); !ok || e.Code != 4201 {
		t.Errorf("ended with %v", err)
	}
	if _, err := f.Live(t.Context()); err == nil {
		t.Error("there is a connection after the end")
	}
	mu.Lock()
	defer mu.Unlock()
	if conns != 1 {
		t.Errorf("%d connections", conns)
	}
}

func TestNewMessageID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := client.NewMessageID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestErrorOf(t *testing.T) {
	refused := connect.NewError(connect.CodeResourceExhausted, errors.New("wait"))
	detail, err := connect.NewErrorDetail(&musterv1.Error{Code: "resource_exhausted", Reason: "window_full", RetryAfterMs: 1500})
	if err != nil {
		t.Fatal(err)
	}
	refused.AddDetail(detail)
	if e := client.ErrorOf(refused); e.Code != muster.CodeResourceExhausted || e.Reason != "window_full" || e.RetryAfter != 1500*time.Millisecond {
		t.Errorf("with a detail: %+v", e)
	}
	if e := client.ErrorOf(connect.NewError(connect.CodeNotFound, errors.New("no"))); e.Code != muster.CodeNotFound {
		t.Errorf("without: %+v", e)
	}
	if e := client.ErrorOf(errors.New("no route")); e.Code != muster.CodeUnavailable {
		t.Errorf("of the network: %+v", e)
	}
}
