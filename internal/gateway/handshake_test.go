package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/client"
	"muster/internal/gateway"
	"muster/internal/wire"
)

// path stands among headers for the path of the request. What asks for /live
// may be answered before the HTTP server has seen it.
const path = ":path"

// handshake asks for a socket with the given headers.
func (r *rig) handshake(headers map[string]string) (status int, body, protocol string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, r.URL+headers[path], http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Protocol": wire.SubprotocolJSON,
	} {
		req.Header.Set(k, v)
	}
	for k, v := range headers {
		if k == path {
			continue
		}
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	if h := headers["Host"]; h != "" {
		req.Host = h
	}
	resp, err := r.http.Client().Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp.StatusCode, "", resp.Header.Get("Sec-WebSocket-Protocol")
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(text), ""
}

func TestHandshake(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.Origins = []string{"https://chat.example.org", "http://localhost:5173/"} })
	self := strings.TrimPrefix(r.URL, "http://")
	for _, test := range []struct {
		name    string
		headers map[string]string
		status  int
		says    string // part of the answer, or the subprotocol
	}{
		{"json", nil, 101, "muster.v1.json"},
		{"proto", map[string]string{"Sec-WebSocket-Protocol": "muster.v1.proto"}, 101, "muster.v1.proto"},
		{"the first of ours", map[string]string{"Sec-WebSocket-Protocol": "mqtt, muster.v1.proto,muster.v1.json"}, 101, "muster.v1.proto"},
		{"no subprotocol", map[string]string{"Sec-WebSocket-Protocol": ""}, 400, "muster.v1.proto (binary) or muster.v1.json (text)"},
		{"another subprotocol", map[string]string{"Sec-WebSocket-Protocol": "muster.v2.proto"}, 400, "Sec-WebSocket-Protocol"},
		{"own origin", map[string]string{"Origin": "http://" + self}, 101, "muster.v1.json"},
		{"own origin behind a proxy", map[string]string{"Origin": "https://muster.example", "Host": "MUSTER.example"}, 101, "muster.v1.json"},
		{"listed origin", map[string]string{"Origin": "https://chat.example.org"}, 101, "muster.v1.json"},
		{"listed origin in capitals", map[string]string{"Origin": "HTTPS://Chat.Example.Org"}, 101, "muster.v1.json"},
		{"listed with a slash", map[string]string{"Origin": "http://localhost:5173"}, 101, "muster.v1.json"},
		{"foreign origin", map[string]string{"Origin": "https://evil.example"}, 403, "evil.example"},
		{"other port", map[string]string{"Origin": "http://localhost:5174"}, 403, "localhost:5174"},
		{"listed name over plain HTTP", map[string]string{"Origin": "http://chat.example.org"}, 403, "chat.example.org"},
		{"listed name as a prefix", map[string]string{"Origin": "https://chat.example.org.evil.example"}, 403, "evil"},
		{"sandboxed page", map[string]string{"Origin": "null"}, 403, "null"},
		{"old version", map[string]string{"Sec-WebSocket-Version": "8"}, 426, ""},
		{"no upgrade", map[string]string{"Upgrade": ""}, 400, ""},
		{"short key", map[string]string{"Sec-WebSocket-Key": "abc"}, 400, ""},
	} {
		for _, at := range []string{"", "/live"} {
			headers := map[string]string{path: at}
			maps.Copy(headers, test.headers)
			status, body, protocol := r.handshake(headers)
			if status != test.status || !strings.Contains(body+protocol, test.says) {
				t.Errorf("%s at %q: %d %q %q, want %d with %q", test.name, at, status, body, protocol, test.status, test.says)
			}
		}
	}
	t.Run("too many at once", func(t *testing.T) {
		r := start(t, func(o *gateway.Options) { o.HandshakesPerSecond = 1 })
		refused := 0
		for range 20 {
			if status, body, _ := r.handshake(map[string]string{path: "/live"}); status == http.StatusServiceUnavailable && strings.Contains(body, "too many") {
				refused++
			}
		}
		if refused < 10 {
			t.Errorf("%d of 20 handshakes were refused at 1 per second", refused)
		}
	})
	t.Run("a page that has to come later", func(t *testing.T) {
		r := start(t, func(o *gateway.Options) { o.HandshakesPerSecond, o.HelloTimeout = 1, 100*time.Millisecond })
		told := false
		for try := 0; !told && try < 50; try++ { // one that is let in after all says no hello
			c, err := r.tryRaw(true, http.Header{"Origin": {r.URL}})
			if err != nil {
				continue
			}
			frames, code := c.all()
			if code != 4106 {
				continue
			}
			told = true
			if g := frames[len(frames)-1].GetSessionClosed(); g.GetCode() != 4106 || g.GetRetry() != musterv1.Retry_RETRY_LATER || g.GetRetryAfterMs() < 1000 {
				t.Errorf("told %v", frames)
			}
		}
		if !told {
			t.Error("no page was told on its socket to come later")
		}
		if r.gw.Stats().Refused == 0 {
			t.Error("nobody was counted as refused")
		}
	})
	t.Run("no extension", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, r.URL, http.NoBody)
		for k, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			"Sec-WebSocket-Protocol": wire.SubprotocolJSON, "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
		} {
			req.Header.Set(k, v)
		}
		resp, err := r.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := resp.Header.Get("Sec-WebSocket-Extensions"); resp.StatusCode != http.StatusSwitchingProtocols || got != "" {
			t.Errorf("answered %d with the extensions %q", resp.StatusCode, got)
		}
	})
}

// raw is a client that writes frames byte by byte.
type raw struct {
	t      testing.TB
	nc     net.Conn
	r      *bufio.Reader
	inJSON bool
}

// raw opens a socket without saying hello.
func (r *rig) raw(inJSON bool, header http.Header) *raw {
	r.Helper()
	c, err := r.tryRaw(inJSON, header)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// tryRaw is raw that may be refused.
func (r *rig) tryRaw(inJSON bool, header http.Header) (*raw, error) {
	d := ws.Dialer{Protocols: []string{wire.SubprotocolProto}, Timeout: patience}
	if inJSON {
		d.Protocols = []string{wire.SubprotocolJSON}
	}
	if header != nil {
		d.Header = ws.HandshakeHeaderHTTP(header)
	}
	nc, br, _, err := d.Dial(context.Background(), "ws"+strings.TrimPrefix(r.URL, "http")+"/live")
	if err != nil {
		return nil, err
	}
	if br == nil {
		br = bufio.NewReader(nc)
	}
	c := &raw{r.TB, nc, br, inJSON}
	r.Cleanup(func() { _ = nc.Close() })
	return c, nil
}

// payload sends a message of the right kind.
func (c *raw) payload(b []byte) {
	op := ws.OpBinary
	if c.inJSON {
		op = ws.OpText
	}
	_ = ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(op, true, bytes.Clone(b)))) // a closed socket shows when reading
}

func (c *raw) frame(f *musterv1.ClientFrame) {
	c.t.Helper()
	b, err := wire.EncodeClientFrame(f, c.inJSON)
	if err != nil {
		c.t.Fatal(err)
	}
	c.payload(b)
}

func (c *raw) hello(token string) {
	c.frame(&musterv1.ClientFrame{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: token}}})
}

// next reads the next message; code is that of a close frame, or 1006 when the
// socket ends without.
func (c *raw) next() (frames []*musterv1.ServerFrame, code int) {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	for {
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				c.t.Fatal("nothing comes")
			}
			return nil, 1006
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(c.r, payload); err != nil {
			return nil, 1006
		}
		switch h.OpCode {
		case ws.OpClose:
			if len(payload) < 2 {
				return nil, 1005
			}
			return nil, int(binary.BigEndian.Uint16(payload))
		case ws.OpText, ws.OpBinary:
			frames, err := wire.ParseServerFrames(payload, c.inJSON)
			if err != nil {
				c.t.Fatalf("the server sent %q: %v", payload, err)
			}
			return frames, 0
		default: // pings
		}
	}
}

// all reads until the socket ends and gives everything and the close code.
func (c *raw) all() (frames []*musterv1.ServerFrame, code int) {
	c.t.Helper()
	for {
		more, code := c.next()
		frames = append(frames, more...)
		if code != 0 {
			return frames, code
		}
	}
}

// TestFirstFrame holds what a connection may say before it has said who it is.
func TestFirstFrame(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, func(o *gateway.Options) { o.HelloTimeout = 200 * time.Millisecond })
		p := r.people("anna")[0]
		ended := r.session("anna")
		if err := r.domain.Accounts.RevokeSession(t.Context(), p.id, p.session, ended.session, false); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name   string
			say    func(c *raw)
			code   int
			reason string // of the error, or of the SessionClosed
		}{
			{"nothing", func(*raw) {}, 4105, "hello_timeout"},
			{"half a frame", func(c *raw) {
				op := byte(0x82)
				if inJSON {
					op = 0x81
				}
				_, _ = c.nc.Write([]byte{op, 0x85, 0})
			}, 4105, "hello_timeout"},
			{"no token", func(c *raw) { c.hello("") }, 4200, "no_session"},
			{"rubbish", func(c *raw) { c.hello("rubbish") }, 4200, "no_session"},
			{"an ended session", func(c *raw) { c.hello(ended.token) }, 4200, "session_ended"},
			{"something else", func(c *raw) {
				c.frame(&musterv1.ClientFrame{Id: 1, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: 1}}})
			}, 4203, "hello_first"},
			{"an empty frame", func(c *raw) { c.frame(&musterv1.ClientFrame{Id: 1}) }, 4203, "hello_first"},
			{"no frame", func(c *raw) { c.payload([]byte("{]\xc3\xa4")) }, 4202, "bad_frame"},
			{"a long token", func(c *raw) { c.hello(strings.Repeat("x", 257)) }, 4202, "invalid_token"},
		} {
			t.Run(test.name, func(t *testing.T) {
				c := r.raw(inJSON, nil)
				test.say(c)
				frames, code := c.all()
				said := ""
				closed := false
				for _, f := range frames {
					said += " " + f.GetError().GetReason() + " " + f.GetSessionClosed().GetReason()
					if g := f.GetSessionClosed(); g != nil {
						closed = true
						if int(g.GetCode()) != test.code {
							t.Errorf("SessionClosed %v before close %d", g, code)
						}
						want := musterv1.Retry_RETRY_NEVER
						if test.code < 4200 {
							want = musterv1.Retry_RETRY_LATER
						}
						if g.GetRetry() != want || (want == musterv1.Retry_RETRY_LATER) != (g.GetRetryAfterMs() > 0) {
							t.Errorf("SessionClosed %v", g)
						}
					}
				}
				if code != test.code || !closed || !strings.Contains(said, test.reason) {
					t.Errorf("closed with %d after%s, want %d and %s", code, said, test.code, test.reason)
				}
			})
		}
		if n := r.gw.Stats().Connections; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// TestCookie signs in by the cookie of the handshake.
func TestCookie(t *testing.T) {
	r := start(t, nil)
	p := r.people("anna")[0]
	for _, test := range []struct {
		cookie, token string
		ok            bool
	}{
		{"muster=" + p.token, "", true}, // which cookie counts is what Services.Token says
		{"other=" + p.token, "", false},
		{"muster=rubbish", p.token, true}, // the frame's token counts first
		{"muster=" + p.token, "rubbish", false},
	} {
		c := r.raw(true, http.Header{"Cookie": {test.cookie}})
		c.hello(test.token)
		frames, _ := c.next()
		if ok := len(frames) > 0 && frames[0].GetWelcome().GetAccountId() == int64(p.id); ok != test.ok {
			t.Errorf("cookie %.20s, token %.8q: %v", test.cookie, test.token, frames)
		}
	}
}

// TestBadFrames sends what is no frame after a good hello.
func TestBadFrames(t *testing.T) {
	encodings(t, func(t *testing.T, inJSON bool) {
		r := start(t, func(o *gateway.Options) { o.MaxFrame = 4096 })
		p := r.people("anna")[0]
		welcomed := func() *raw {
			c := r.raw(inJSON, nil)
			c.hello(p.token)
			if frames, code := c.next(); len(frames) != 1 || frames[0].GetId() != 1 || frames[0].GetWelcome() == nil {
				t.Fatalf("no welcome: %v, %d", frames, code)
			}
			return c
		}
		c := welcomed()
		for n := range 9 {
			c.payload([]byte{0xff, 0xff, '{', byte(n)})
			if inJSON { // is not UTF-8
				if _, code := c.all(); code != 1007 {
					t.Fatalf("closed with %d", code)
				}
				c = welcomed()
				continue
			}
			frames, code := c.next()
			if code != 0 || frames[0].GetId() != 0 || frames[0].GetError().GetReason() != "bad_frame" || frames[0].GetError().GetCode() != "invalid_argument" {
				t.Fatalf("answered %v, %d", frames, code)
			}
		}
		// A frame that is none does not end the connection; a frame above a limit
		// is answered under its id.
		c.frame(&musterv1.ClientFrame{Id: 5, Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{ClientMessageId: strings.Repeat("x", 65)}}})
		frames, _ := c.next()
		if e := frames[0].GetError(); frames[0].GetId() != 5 || e.GetField() != "client_message_id" {
			t.Errorf("a long id: %v", frames)
		}
		if !inJSON { // that was the tenth
			if frames, code := c.all(); code != 4202 || frames[0].GetSessionClosed().GetRetry() != musterv1.Retry_RETRY_NEVER {
				t.Errorf("after ten: %v, %d", frames, code)
			}
		}
		c = welcomed()
		c.payload(bytes.Repeat([]byte("x"), 4097))
		if _, code := c.all(); code != 1009 {
			t.Errorf("a large frame: closed with %d", code)
		}
		c = welcomed()
		c.hello(p.token)
		if frames, _ := c.next(); frames[0].GetError().GetReason() != "already_signed_in" {
			t.Errorf("a second hello: %v", frames)
		}
		c.frame(&musterv1.ClientFrame{Id: 9})
		if frames, _ := c.next(); frames[0].GetId() != 9 || frames[0].GetError().GetCode() != "invalid_argument" {
			t.Errorf("an empty frame: %v", frames)
		}
		// Unknown fields are a newer client's.
		if inJSON {
			c.payload([]byte(`{"id":"10","novelty":{"a":[1]},"background":{"on":true,"why":"x"}}`))
		} else {
			c.payload([]byte{0x08, 10, 0xfa, 0x3f, 1, 'x', 0x62, 2, 0x08, 1})
		}
		if frames, _ := c.next(); frames[0].GetId() != 10 || frames[0].GetOk() == nil {
			t.Errorf("a newer frame: %v", frames)
		}
	})
}

// TestCutEverywhere cuts the socket at every byte of a hello and a frame after
// it: nothing is left behind.
func TestCutEverywhere(t *testing.T) {
	r := start(t, nil)
	p := r.people("anna")[0]
	id := r.group(p)
	var whole []byte
	for _, f := range []*musterv1.ClientFrame{
		{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: p.token}}},
		{Id: 2, Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: "m", Text: "x"}}},
	} {
		b, err := wire.EncodeClientFrame(f, false)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := ws.CompileFrame(ws.MaskFrame(ws.NewBinaryFrame(b)))
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, encoded...)
	}
	for cut := range len(whole) + 1 {
		c := r.raw(false, nil)
		if _, err := c.nc.Write(whole[:cut]); err != nil {
			t.Fatal(err)
		}
		_ = c.nc.Close()
	}
	r.await("the last connection's end", func() bool {
		s := r.gw.Stats()
		return s.Connections == 0 && s.People == 0 && s.Engine.Connections == 0 && r.domain.Rooms.OnlineCount() == 0
	})
}

// await waits until cond holds.
func (r *rig) await(what string, cond func() bool) {
	r.Helper()
	for begin := time.Now(); !cond(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			r.Fatalf("waiting in vain: %s", what)
		}
	}
}

// TestRate holds a client to its rate: what is too much is refused with the time
// to wait, and who does not stop is closed.
func TestRate(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.MessagesPerSecond, o.Burst = 1, 5 })
	c := r.people("anna")[0].dial()
	ok, refused := 0, 0
	for {
		_, err := c.Call(deadline(), &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Background{Background: &musterv1.Background{}}})
		if _, ended := errors.AsType[*client.ClosedError](err); ended {
			break
		}
		switch e := client.ErrorOf(orNone(err)); {
		case err == nil:
			ok++
		case e.Code == muster.CodeResourceExhausted && e.Reason == "too_fast":
			refused++
			if e.RetryAfter <= 0 || e.RetryAfter > time.Second {
				t.Fatalf("retry after %v", e.RetryAfter)
			}
		default:
			t.Fatal(err)
		}
	}
	if ok < 5 || ok > 15 || refused < 5 {
		t.Errorf("%d went through and %d were refused", ok, refused)
	}
	if e := c.ended(); e.Code != 4102 || e.Retry != musterv1.Retry_RETRY_LATER || e.After <= 0 {
		t.Errorf("ended with %+v", e)
	}
}

// TestRevocation ends sessions: their sockets close at once, others stay.
func TestRevocation(t *testing.T) {
	r := start(t, nil)
	p := r.people("anna")[0]
	other := r.session("anna")
	a, b := p.dial(), other.dial()
	id := r.group(p)
	if err := r.domain.Accounts.RevokeSession(t.Context(), p.id, p.session, other.session, false); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if e := b.ended(); e.Code != 4201 || e.Retry != musterv1.Retry_RETRY_NEVER || e.Reason != "session_ended" {
		t.Errorf("ended with %+v", e)
	}
	t.Logf("closed %v after the revocation", time.Since(begin))
	a.send(id, "still here")
	_, err := client.Dial(t.Context(), client.Options{URL: r.URL, Token: other.token})
	if muster.CodeOf(orNone(err)) != muster.CodeUnauthenticated {
		t.Errorf("coming back: %v", err)
	}
	suspended := true
	if _, _, err := r.domain.Accounts.SetAccount(t.Context(), account.Operator, p.id, account.Settings{Suspended: &suspended}); err != nil {
		t.Fatal(err)
	}
	if e := a.ended(); e.Code != 4201 {
		t.Errorf("suspended, ended with %+v", e)
	}
}

// TestRevocationRacesHello revokes sessions while they say hello: either the
// hello is refused or the socket is closed, and none stays.
func TestRevocationRacesHello(t *testing.T) {
	r := start(t, nil)
	keep := r.people("anna")[0]
	for range 100 {
		p := r.session("anna")
		c := r.raw(false, nil)
		done := make(chan error, 1)
		pause := time.Duration(rand.N(500)) * time.Microsecond
		go func() {
			time.Sleep(pause)
			done <- r.domain.Accounts.RevokeSession(context.Background(), keep.id, keep.session, p.session, false)
		}()
		c.hello(p.token)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, code := c.all(); code != 4200 && code != 4201 {
			t.Fatalf("closed with %d", code)
		}
	}
}

// TestTooMany bounds the connections of one account.
func TestTooMany(t *testing.T) {
	r := start(t, func(o *gateway.Options) { o.PerAccount = 3 })
	p := r.people("anna")[0]
	for range 3 {
		p.dial()
	}
	c := r.raw(true, nil)
	c.hello(p.token)
	frames, code := c.all()
	if code != 4104 || frames[0].GetError().GetCode() != "resource_exhausted" {
		t.Errorf("the fourth: %v, %d", frames, code)
	}
}

// TestStop stops the server under load: what was acknowledged stands, clients
// are told to come later, each at another time.
func TestStop(t *testing.T) {
	r := start(t, nil)
	ps := r.crowd("p", 8)
	id := r.group(ps...)
	type result struct {
		acked int
		after time.Duration
	}
	results := make(chan result, len(ps))
	for _, p := range ps {
		c := p.dial()
		go func() {
			n := 0
			for {
				_, err := c.Send(deadline(), &musterv1.SendRequest{GroupId: int64(id), ClientMessageId: client.NewMessageID(), Text: "x"})
				if err != nil {
					break
				}
				n++
			}
			e := c.ended()
			if e.Code != 4100 || e.Retry != musterv1.Retry_RETRY_LATER {
				t.Errorf("ended with %+v", e)
			}
			results <- result{n, e.After}
		}()
	}
	r.await("messages", func() bool { return r.gw.Stats().Sent > 200 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	acked, times := 0, map[time.Duration]bool{}
	for range ps {
		res := <-results
		acked += res.acked
		times[res.after] = true
	}
	head, err := r.domain.Store.Log().Head(t.Context(), id)
	if err != nil || int(head) < acked {
		t.Errorf("%d acknowledged, the head is %d, %v", acked, head, err)
	}
	if len(times) < 2 {
		t.Errorf("everybody comes back after %v", times)
	}
	if status, _, _ := r.handshake(nil); status != http.StatusServiceUnavailable {
		t.Errorf("a handshake after the stop: %d", status)
	}
}
