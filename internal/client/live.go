// Package client speaks to a Muster server: the live socket (Live, one
// connection; Follower, one that comes back by itself and delivers every group
// message exactly once) and the Connect services (Services). The command line,
// the tests and the load tool use it.
//
// It knows the schema and nothing of the server's inside.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/wire"
)

// The subprotocols of the live socket.
const (
	protoSubprotocol = "muster.v1.proto"
	jsonSubprotocol  = "muster.v1.json"
)

// keptBuffer is the largest reading buffer that is used again.
const keptBuffer = 1 << 20

// maxMessage bounds what the server may send in one message.
const maxMessage = 64 << 20

// Options say where and as whom to connect.
type Options struct {
	// URL is the server's address, such as "http://127.0.0.1:8080".
	URL string
	// Token is the session's.
	Token string
	// Device is this client's lasting name.
	Device string
	// Background says that the client starts in the background.
	Background bool
	// JSON takes the JSON subprotocol instead of protobuf.
	JSON bool
	// HTTP makes the connection; nil: http.DefaultClient. See UnixHTTP.
	HTTP *http.Client
	// Events is how many events may wait to be fetched; 0: 1,024. When more
	// wait, reading stops until some are fetched.
	Events int
}

// ClosedError is why a connection ended.
type ClosedError struct {
	// Code is the close code; 0: the connection broke.
	Code int
	// Reason is the server's word for it.
	Reason string
	// Retry is what the server advises; RETRY_NOW for a broken connection.
	Retry musterv1.Retry
	// After is how long to wait with RETRY_LATER.
	After time.Duration
	// Cause is the error behind it.
	Cause error
}

// Error gives the reason.
func (e *ClosedError) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("the connection broke: %v", e.Cause)
	}
	return fmt.Sprintf("the server closed the connection: %s (%d)", e.Reason, e.Code)
}

// Unwrap gives the cause.
func (e *ClosedError) Unwrap() error { return e.Cause }

// Answer is called with the answer to a request, from the reading goroutine: it
// must not block. A refusal is a *muster.Error, the end of the connection a
// *ClosedError.
type Answer func(f *musterv1.ServerFrame, err error)

// Live is one connection. Safe for concurrent use.
type Live struct {
	conn    *websocket.Conn
	inJSON  bool
	welcome *musterv1.Welcome
	events  chan *musterv1.ServerFrame
	last    atomic.Uint64

	writing sync.Mutex

	mu      sync.Mutex
	waiting map[uint64]Answer
	closing *musterv1.SessionClosed // the server's last word
	ended   error
	done    chan struct{}
	life    context.Context
	cancel  context.CancelFunc
}

// Dial connects, says hello and waits for the welcome. ctx bounds that, not the
// connection's life. A refused hello is a *muster.Error.
func Dial(ctx context.Context, opt Options) (*Live, error) {
	sub := protoSubprotocol
	if opt.JSON {
		sub = jsonSubprotocol
	}
	url := strings.TrimSuffix(opt.URL, "/") + "/live"
	//nolint:bodyclose // the body is the socket, or has been read
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: opt.HTTP, Subprotocols: []string{sub}})
	if err != nil {
		return nil, dialError(resp, err)
	}
	conn.SetReadLimit(maxMessage)
	waiting := opt.Events
	if waiting <= 0 {
		waiting = 1024
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Live{
		conn: conn, inJSON: opt.JSON, events: make(chan *musterv1.ServerFrame, waiting), waiting: map[uint64]Answer{},
		done: make(chan struct{}), life: life, cancel: cancel,
	}
	go l.read(life)
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Hello{
		Hello: &musterv1.Hello{Token: opt.Token, Device: opt.Device, Background: opt.Background},
	}})
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	l.welcome = f.GetWelcome()
	return l, nil
}

// dialError makes a refused handshake readable: the server says in a header
// when to come again.
func dialError(resp *http.Response, err error) error {
	if resp == nil {
		return &ClosedError{Retry: musterv1.Retry_RETRY_NOW, Cause: err}
	}
	e := &ClosedError{Code: resp.StatusCode, Reason: resp.Status, Retry: musterv1.Retry_RETRY_NEVER, Cause: err}
	if resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests {
		e.Retry, e.After = musterv1.Retry_RETRY_LATER, time.Second
		if d, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil {
			e.After = d
		}
	}
	return e
}

// Welcome is the server's answer to the hello.
func (l *Live) Welcome() *musterv1.Welcome { return l.welcome }

// Events are the frames that answer no request, in the order of their coming.
// The channel is closed when the connection has ended; see Err.
func (l *Live) Events() <-chan *musterv1.ServerFrame { return l.events }

// Done is closed when the connection has ended.
func (l *Live) Done() <-chan struct{} { return l.done }

// Err is why the connection ended, a *ClosedError; nil while it lives.
func (l *Live) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// Close ends the connection and waits for its reader.
func (l *Live) Close() error {
	err := l.conn.Close(websocket.StatusNormalClosure, "")
	l.cancel()
	l.drain()
	return err
}

// read takes frames until the connection ends, then fails what is still asked.
func (l *Live) read(ctx context.Context) {
	err := l.readAll(ctx)
	l.cancel()
	_ = l.conn.CloseNow()
	l.mu.Lock()
	l.ended = l.closed(err)
	left := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, answer := range left {
		answer(nil, l.ended)
	}
	close(l.events)
	close(l.done)
}

func (l *Live) readAll(ctx context.Context) error {
	for {
		_, r, err := l.conn.Reader(ctx)
		if err != nil {
			return err
		}
		frames, err := l.decode(r)
		if err != nil {
			return err
		}
		for _, f := range frames {
			if err := l.take(ctx, f); err != nil {
				return err
			}
		}
	}
}

// buffers are for reading; a connection has one only while a message comes.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// decode reads one message.
func (l *Live) decode(r io.Reader) ([]*musterv1.ServerFrame, error) {
	buf := buffers.Get().(*bytes.Buffer) //nolint:errcheck // the pool holds nothing else
	defer func() {
		if buf.Cap() <= keptBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	frames, err := wire.ParseServerFrames(buf.Bytes(), l.inJSON)
	if err != nil {
		return nil, fmt.Errorf("a message that is not of the protocol: %w", err)
	}
	return frames, nil
}

// take hands on one frame.
func (l *Live) take(ctx context.Context, f *musterv1.ServerFrame) error {
	if c := f.GetSessionClosed(); c != nil {
		l.mu.Lock()
		l.closing = c
		l.mu.Unlock()
	}
	if f.GetId() == 0 {
		select {
		case l.events <- f:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	answer := l.waiting[f.GetId()]
	delete(l.waiting, f.GetId())
	l.mu.Unlock()
	if answer == nil {
		return nil
	}
	if e := f.GetError(); e != nil {
		answer(nil, wire.ErrorOf(e))
	} else {
		answer(f, nil)
	}
	return nil
}

// closed puts together why the connection ended.
func (l *Live) closed(cause error) *ClosedError {
	e := &ClosedError{Retry: musterv1.Retry_RETRY_NOW, Cause: cause}
	if ce, ok := errors.AsType[websocket.CloseError](cause); ok {
		e.Code, e.Reason = int(ce.Code), ce.Reason
		switch {
		case e.Code >= 4200 && e.Code < 4300:
			e.Retry = musterv1.Retry_RETRY_NEVER
		case e.Code >= 4100 && e.Code < 4200:
			e.Retry = musterv1.Retry_RETRY_LATER
		}
	}
	if c := l.closing; c != nil {
		e.Code, e.Reason = int(c.GetCode()), c.GetReason()
		e.Retry, e.After = c.GetRetry(), time.Duration(c.GetRetryAfterMs())*time.Millisecond
	}
	return e
}

// Go sends a request and returns; answer gets what comes back. Several may be
// under way. An error means that it was not sent and answer will not be called.
func (l *Live) Go(_ context.Context, f *musterv1.ClientFrame, answer Answer) error {
	f.Id = l.last.Add(1)
	payload, err := wire.EncodeClientFrame(f, l.inJSON)
	if err != nil {
		return err
	}
	l.mu.Lock()
	if l.ended != nil || l.waiting == nil {
		l.mu.Unlock()
		return l.Err()
	}
	l.waiting[f.GetId()] = answer
	l.mu.Unlock()
	kind := websocket.MessageBinary
	if l.inJSON {
		kind = websocket.MessageText
	}
	l.writing.Lock()
	err = l.conn.Write(l.life, kind, payload) // under ctx, its end would cut the connection
	l.writing.Unlock()
	if err == nil {
		return nil
	}
	l.mu.Lock()
	_, ours := l.waiting[f.GetId()]
	delete(l.waiting, f.GetId())
	l.mu.Unlock()
	if !ours {
		return nil // the reader has failed it already
	}
	return &ClosedError{Retry: musterv1.Retry_RETRY_NOW, Cause: err}
}

// Call sends a request and waits for its answer.
func (l *Live) Call(ctx context.Context, f *musterv1.ClientFrame) (*musterv1.ServerFrame, error) {
	type result struct {
		f   *musterv1.ServerFrame
		err error
	}
	got := make(chan result, 1)
	if err := l.Go(ctx, f, func(f *musterv1.ServerFrame, err error) { got <- result{f, err} }); err != nil {
		return nil, err
	}
	select {
	case r := <-got:
		return r.f, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Enter goes into a channel's room.
func (l *Live) Enter(ctx context.Context, channel muster.ChannelID) (*musterv1.Entered, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: int64(channel)}}})
	return f.GetEntered(), err
}

// Exit leaves the room.
func (l *Live) Exit(ctx context.Context) error {
	_, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Exit{Exit: &musterv1.Exit{}}})
	return err
}

// Say says something to everybody in the room now.
func (l *Live) Say(ctx context.Context, channel muster.ChannelID, text string) (*musterv1.Said, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Say{
		Say: &musterv1.Say{ChannelId: int64(channel), ClientMessageId: NewMessageID(), Text: text},
	}})
	return f.GetSaid(), err
}

// People reads a page of who is in the room where the client is.
func (l *Live) People(ctx context.Context, r *musterv1.People) (*musterv1.ListPresentResponse, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_People{People: r}})
	return f.GetPresent(), err
}

// Send sends a group message once; see Follower.Send for one that is sent until
// it is acknowledged.
func (l *Live) Send(ctx context.Context, r *musterv1.SendRequest) (*musterv1.SendResponse, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Send{Send: r}})
	return f.GetSent(), err
}

// Sync brings every group with what is new since the positions.
func (l *Live) Sync(ctx context.Context, r *musterv1.SyncRequest) (*musterv1.SyncResponse, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Sync{Sync: r}})
	return f.GetSynced(), err
}

// History reads a page of a group's messages.
func (l *Live) History(ctx context.Context, r *musterv1.ListMessagesRequest) (*musterv1.ListMessagesResponse, error) {
	f, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_History{History: r}})
	return f.GetHistory(), err
}

// MarkRead moves the account's read position forward.
func (l *Live) MarkRead(ctx context.Context, group muster.GroupID, seq muster.Seq) error {
	_, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Read{
		Read: &musterv1.MarkReadRequest{GroupId: int64(group), Seq: int64(seq)},
	}})
	return err
}

// Answer answers an invitation.
func (l *Live) Answer(ctx context.Context, invitation muster.InvitationID, choice musterv1.Choice) error {
	_, err := l.Call(ctx, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Answer{
		Answer: &musterv1.AnswerInvitationRequest{InvitationId: int64(invitation), Choice: choice},
	}})
	return err
}

// Cut ends the connection without a goodbye, as a lost network does, and waits
// for its reader.
func (l *Live) Cut() {
	_ = l.conn.CloseNow()
	l.drain()
}

// drain waits for the reader, which may wait for room among the events.
func (l *Live) drain() {
	for {
		select {
		case _, ok := <-l.events:
			if !ok {
				<-l.done
				return
			}
		case <-l.done:
			return
		}
	}
}
