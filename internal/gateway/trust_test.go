package gateway_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	musterv1 "muster/gen/muster/v1"

	"muster/internal/channel"
	"muster/internal/gateway"
)

// long says that a test runs in its long form (make soak).
func long() bool { return os.Getenv("MUSTER_SOAK") != "" }

// TestStoppedReaders holds that readers who stop (one, in the midst of a
// thousand messages a second) cost the others nothing and the server a bounded
// memory, that they are told exactly how much they missed, and that they miss
// nothing of what an owner says.
func TestStoppedReaders(t *testing.T) {
	const queue = 128 << 10
	readers, messages := 30, 1500
	switch {
	case long():
		readers, messages = 100, 60_000
	case raceEnabled: // or the whole takes longer than a full socket is waited for
		readers = 8
	}
	r := start(t, func(o *gateway.Options) { o.WriteQueue = queue })
	ps := r.crowd("p", readers+2)
	owner, chatter := ps[0], ps[1]
	room := r.channel(owner, channel.Settings{})
	enter := &musterv1.ClientFrame{Id: 2, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: int64(room)}}}
	stopped := ps[2].welcomed(false)
	if tcp, ok := stopped.nc.(*net.TCPConn); !ok || tcp.SetReadBuffer(4096) != nil {
		t.Fatal("the socket's buffer cannot be set")
	}
	stopped.frame(enter)
	stopped.until("entered", func(f *musterv1.ServerFrame) bool { return f.GetEntered() != nil })
	listeners := make([]*conn, 0, readers)
	for _, p := range ps[3:] {
		c := p.dial()
		c.enter(room)
		listeners = append(listeners, c)
	}
	a, b := owner.dial(), chatter.dial()
	a.enter(room)
	b.enter(room)

	text := strings.Repeat("x", 3500)
	talk := func(name string, n int) (late []time.Duration, most int64) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, c := range listeners {
			wg.Go(func() {
				next := 0
				var mine []time.Duration
				for next < n {
					f := c.next()
					if f.GetChannelSkipped() != nil {
						t.Errorf("one who reads missed %v", f)
						return
					}
					words := strings.Fields(f.GetChannelMessage().GetText())
					if len(words) < 3 || words[0] != name {
						continue
					}
					if words[1] != strconv.Itoa(next) {
						t.Errorf("heard %s instead of %d", words[1], next)
						return
					}
					at, err := strconv.ParseInt(words[2], 10, 64)
					if err != nil {
						t.Error(err)
						return
					}
					mine = append(mine, time.Since(time.Unix(0, at)))
					next++
				}
				mu.Lock()
				late = append(late, mine...)
				mu.Unlock()
			})
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			who := b
			if i%50 == 49 {
				who = a
			}
			who.say(room, fmt.Sprint(name, " ", i, " ", time.Now().UnixNano(), " ", text))
			if i%10 == 0 {
				most = max(most, r.gw.Stats().Engine.Queued)
				a.waiting()
				b.waiting()
			}
		}
		wg.Wait()
		return late, most
	}
	// Before, with the one who will stop reading along. The owner has the last
	// word, which nobody misses.
	var reading sync.WaitGroup
	done := fmt.Sprint("before ", messages/3-1, " ")
	reading.Go(func() {
		stopped.until("the end of the first part", func(f *musterv1.ServerFrame) bool {
			return strings.HasPrefix(f.GetChannelMessage().GetText(), done)
		})
	})
	before, _ := talk("before", messages/3)
	reading.Wait()
	during, most := talk("during", messages)
	t.Logf("p99 of the others: %v before, %v with a reader who stopped; at most %d KiB waited for it",
		percentile(before, 0.99), percentile(during, 0.99), most>>10)
	if most > 2*queue+int64(messages/50)*4096 { // its share of chatter, and all that the owner said
		t.Errorf("%d bytes waited for one reader", most)
	}
	if r.gw.Stats().Engine.Missed == 0 {
		t.Fatal("nothing was missed: the test tests nothing")
	}

	// It reads on: everything is there, in order, or told to be missing. What
	// was urgent among the missing comes behind that.
	last, heard, skipped, owners := -1, 0, 0, 0
	for heard+skipped < messages {
		frames, code := stopped.next()
		if code != 0 {
			t.Fatalf("closed with %d", code)
		}
		for _, f := range frames {
			skipped += int(f.GetChannelSkipped().GetCount())
			words := strings.Fields(f.GetChannelMessage().GetText())
			if len(words) < 2 {
				continue
			}
			at, err := strconv.Atoi(words[1])
			if err != nil || at <= last {
				t.Fatalf("heard %s after %d, %v", words[1], last, err)
			}
			last = at
			if heard++; f.GetChannelMessage().GetSenderId() == int64(owner.id) {
				owners++
			}
		}
	}
	t.Logf("it heard %d of %d and was told of the rest", heard, messages)
	if heard+skipped != messages || owners != messages/50 {
		t.Errorf("%d heard and %d skipped of %d, and %d of the owner's %d were heard", heard, skipped, messages, owners, messages/50)
	}
}

// TestReturnOfCrowd cuts a crowd at once, which follows the server's advice: it
// is let in at the configured rate, everybody comes back, memory stays within
// half as much again, and who is in goes on without a loss.
func TestReturnOfCrowd(t *testing.T) {
	n, rate := 1000, 250
	switch {
	case long():
		n, rate = 19_000, 1000
	case raceEnabled: // which makes handshakes many times slower: the rate has to be the bound
		n, rate = 60, 4
	}
	// The stay is let in generously at first, so that the test does not take
	// as long again.
	r := start(t, func(o *gateway.Options) { o.HandshakesPerSecond, o.HandshakeBurst = rate, n/4 })
	ps := r.crowd("p", n+2)
	id := r.fullGroups(1, ps)[0]
	a, b := ps[n].dial(), ps[n+1].dial()
	list := tokens(ps[:n])
	c, news := crowdProcess(t, crowdOrder{URL: r.URL, Tokens: list, Followers: true})
	if news.Ready != n {
		t.Fatalf("%d of %d are ready", news.Ready, n)
	}
	talk := func(stop <-chan struct{}) (late []time.Duration) {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return late
			default:
			}
			begin, text := time.Now(), fmt.Sprint("still here ", i)
			a.send(id, text)
			f := b.until(text, func(f *musterv1.ServerFrame) bool { return f.GetGroupMessage() != nil })
			if f.GetGroupMessage().GetText() != text {
				t.Fatalf("got %v, want %q", f, text)
			}
			late = append(late, time.Since(begin))
			a.waiting()
			time.Sleep(5 * time.Millisecond)
		}
	}
	short := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(short) })
	quiet := talk(short)
	runtime.GC()
	steady, refused := residentSet(t), r.gw.Stats().Refused
	back, watched := make(chan struct{}), make(chan int64)
	go func() {
		most := int64(0)
		for {
			most = max(most, residentSet(t))
			select {
			case <-back:
				watched <- most
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	go func() {
		news = c.order(crowdOrder{})
		close(back)
	}()
	busy := talk(back)
	most := <-watched
	if news.Ready != n || r.gw.Stats().Connections != n+2 {
		t.Errorf("%d are ready, %d connected of %d", news.Ready, r.gw.Stats().Connections, n)
	}
	refused = r.gw.Stats().Refused - refused
	t.Logf("%d cut at once: half back after %d ms, 95 %% after %d ms, all after %d ms; %d handshakes refused; %d MiB resident before, %d at most",
		n, news.Took[n/2], news.Took[n*95/100], news.Took[n-1], refused, steady>>20, most>>20)
	t.Logf("who was in: p99 of a durable message %v before, %v meanwhile", percentile(quiet, 0.99), percentile(busy, 0.99))
	if refused == 0 {
		t.Error("nobody had to come later: the test tests nothing")
	}
	if refused > uint64(2*n) {
		t.Errorf("%d handshakes were refused: they do not keep to what they are told", refused)
	}
	if !raceEnabled && most > steady*3/2 {
		t.Errorf("the return took %d MiB, before it were %d", most>>20, steady>>20)
	}
}

// residentSet is this process's memory as the system counts it (proc(5)).
func residentSet(t testing.TB) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("this system does not tell")
	}
	fields := strings.Fields(string(b))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestBombs sends frames that want to cost much: they cost little, the
// connection ends with the code that says why, and nothing is left of it.
func TestBombs(t *testing.T) {
	const maxCost = 1 << 20
	r := start(t, nil)
	p := r.people("anna")[0]
	header := func(b0 byte, length uint64) []byte {
		h := []byte{b0, 0x80 | 127}
		h = binary.BigEndian.AppendUint64(h, length)
		return append(h, 1, 2, 3, 4)
	}
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 48<<20)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		send func(c *raw)
		code int
	}{
		{"a length of an exabyte", func(c *raw) { _, _ = c.nc.Write(header(0x82, 1<<60)) }, 1009},
		{"a negative length", func(c *raw) { _, _ = c.nc.Write(header(0x82, 1<<63)) }, 1009},
		{"a length just above the limit", func(c *raw) { _, _ = c.nc.Write(header(0x82, 64<<10+1)) }, 1009},
		{"fragments without an end", func(c *raw) {
			op := ws.OpBinary
			for range 4096 {
				if ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(op, false, make([]byte, 4096)))) != nil {
					return
				}
				op = ws.OpContinuation
			}
		}, 1009},
		{"empty fragments without an end", func(c *raw) {
			_ = ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(ws.OpBinary, false, nil)))
			for range 20_000 {
				if ws.WriteFrame(c.nc, ws.MaskFrame(ws.NewFrame(ws.OpContinuation, false, nil))) != nil {
					return
				}
			}
		}, 1008},
		{"a compression bomb", func(c *raw) {
			f := ws.NewBinaryFrame(bomb.Bytes())
			f.Header.Rsv = ws.Rsv(true, false, false)
			_ = ws.WriteFrame(c.nc, ws.MaskFrame(f))
		}, 1002},
		{"nested frames", func(c *raw) {
			// Protobuf's groups, deeper than a decoder should follow.
			c.payload(bytes.Repeat([]byte{0x1b}, 60_000))
			c.payload(bytes.Repeat([]byte{0xff}, 1000))
			for range 10 {
				c.payload([]byte{0xff})
			}
		}, 4202},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := p.welcomed(false)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			sent := make(chan struct{})
			go func() { test.send(c); close(sent) }()
			_, code := c.all()
			_ = c.nc.Close()
			<-sent
			r.await("the end", func() bool { return r.gw.Stats().Engine.Connections == 0 })
			runtime.GC()
			runtime.ReadMemStats(&after)
			if code != test.code && code != 1006 { // 1006: what was still coming cut the goodbye short
				t.Errorf("closed with %d, want %d", code, test.code)
			}
			if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > maxCost { //nolint:gosec // far below
				t.Errorf("%d bytes are left", kept)
			}
			if stats := r.gw.Stats().Engine; stats.Queued != 0 {
				t.Errorf("left: %+v", stats)
			}
		})
	}
	if r.gw.Stats().Connections != 0 {
		t.Error("connections are left")
	}
}
