package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	musterv1 "muster/gen/muster/v1"

	"muster/internal/client"
	"muster/internal/wire"
)

// A crowd is a process with many clients, so that what the server's process
// needs can be told from what they need. It is this test binary, started again.
const crowdEnv = "GATEWAY_TEST_CROWD"

func TestMain(m *testing.M) {
	if os.Getenv(crowdEnv) != "" {
		if err := crowdMain(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// crowdOrder is what a crowd is told at first.
type crowdOrder struct {
	URL    string
	Tokens []string
	// Followers says that the clients are client.Followers, which come back by
	// themselves; else they are bare sockets that say hello and then nothing.
	Followers bool
	// Parallel is how many bare sockets are opened at a time. Room is the channel
	// that they enter then, 0: none. With Read they take what comes.
	Parallel int
	Room     int64
	Read     bool
}

// crowdNews is what it says: how many clients are ready, and how long that took
// since the last order, in milliseconds: each of them, sorted.
type crowdNews struct {
	Ready   int
	Took    []int64
	Refused int64 // connections that were refused or broke meanwhile
}

// crowd is one as the test sees it.
type crowd struct {
	t   testing.TB
	in  *json.Encoder
	out *json.Decoder
	end func()
}

// crowdProcess starts one and waits until all are ready.
func crowdProcess(t testing.TB, order crowdOrder) (*crowd, crowdNews) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crowdEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, in: json.NewEncoder(stdin), out: json.NewDecoder(bufio.NewReader(stdout))}
	c.end = sync.OnceFunc(func() {
		_ = stdin.Close() // tells it to end
		_ = cmd.Wait()
		cancel()
	})
	t.Cleanup(c.end)
	return c, c.order(order)
}

// order tells the crowd something and waits for its news. Without anything in
// it, it means that every connection is cut at once.
func (c *crowd) order(o crowdOrder) (news crowdNews) {
	c.t.Helper()
	if err := c.in.Encode(o); err != nil {
		c.t.Fatal(err)
	}
	if err := c.out.Decode(&news); err != nil {
		c.t.Fatalf("the crowd is silent: %v", err)
	}
	return news
}

// crowdMain is the process.
func crowdMain() error {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var order crowdOrder
	if err := in.Decode(&order); err != nil {
		return err
	}
	if !order.Followers {
		return bareCrowd(order, in, out)
	}
	cut := &cutAll{}
	hc := &http.Client{Transport: &http.Transport{DialContext: cut.dial}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready := make(chan time.Time, 2*len(order.Tokens))
	var lost atomic.Int64
	var wg sync.WaitGroup
	for _, token := range order.Tokens {
		f := client.NewFollower(client.Options{URL: order.URL, Token: token, HTTP: hc, Events: 64}, nil, client.Handler{
			Event: func(f *musterv1.ServerFrame) {
				if f == nil {
					ready <- time.Now()
				}
			},
		})
		wg.Go(func() {
			if err := f.Run(ctx); err != nil {
				lost.Add(1)
				fmt.Fprintln(os.Stderr, "a follower gave up:", err)
			}
		})
	}
	for {
		begin := time.Now()
		news := crowdNews{}
		for range order.Tokens {
			news.Took = append(news.Took, (<-ready).Sub(begin).Milliseconds())
		}
		slices.Sort(news.Took)
		news.Ready, news.Refused = len(order.Tokens)-int(lost.Load()), cut.dials.Swap(0)-int64(len(order.Tokens))
		if err := out.Encode(news); err != nil {
			return err
		}
		if in.Decode(&crowdOrder{}) != nil {
			cancel()
			wg.Wait()
			return nil
		}
		cut.now()
	}
}

// cutAll cuts every connection that it has made.
type cutAll struct {
	mu    sync.Mutex
	open  []net.Conn
	dials atomic.Int64
}

func (c *cutAll) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.dials.Add(1)
	nc, err := crowdDial(ctx, network, address)
	if err == nil {
		c.mu.Lock()
		c.open = append(c.open, nc)
		c.mu.Unlock()
	}
	return nc, err
}

func (c *cutAll) now() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nc := range c.open {
		_ = nc.Close()
	}
	c.open = nil
}

var crowdFrom atomic.Uint32

// crowdDial spreads the clients over addresses of the machine, each of which has
// its own ports.
func crowdDial(ctx context.Context, network, address string) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+crowdFrom.Add(1)%8))}
	d := net.Dialer{LocalAddr: from, KeepAlive: -1}
	return d.DialContext(ctx, network, address)
}

// bareCrowd opens sockets that say hello.
func bareCrowd(order crowdOrder, in *json.Decoder, out *json.Encoder) error {
	var mu sync.Mutex
	var sockets []net.Conn
	var failed error
	next := make(chan string)
	var wg sync.WaitGroup
	begin := time.Now()
	for range max(order.Parallel, 1) {
		wg.Go(func() {
			for token := range next {
				nc, err := bareHello(order.URL, token)
				if err == nil && order.Room != 0 {
					err = bareFrame(nc, &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: order.Room}}})
				}
				mu.Lock()
				sockets = append(sockets, nc)
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for _, t := range order.Tokens {
		next <- t
	}
	close(next)
	wg.Wait()
	if failed != nil {
		return failed
	}
	if order.Read {
		for _, nc := range sockets {
			wg.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{nc}) }) // until it is closed
		}
	}
	defer wg.Wait()
	if err := out.Encode(crowdNews{Ready: len(sockets), Took: []int64{time.Since(begin).Milliseconds()}}); err != nil {
		return err
	}
	_ = in.Decode(&crowdOrder{}) // ends with the test
	for _, nc := range sockets {
		_ = nc.Close()
	}
	return nil
}

// bareHello opens a socket and waits for its welcome.
func bareHello(url, token string) (net.Conn, error) {
	scheme, address, _ := strings.Cut(url, "://")
	nc, err := crowdDial(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	if scheme == "https" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // the server is this test's
	}
	_, err = fmt.Fprintf(nc, "GET /live HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", address, wire.SubprotocolProto)
	if err != nil {
		return nc, err
	}
	r := bufio.NewReaderSize(nc, 1024)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nc, err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nc, fmt.Errorf("the handshake was answered with %s", resp.Status)
	}
	if err := bareFrame(nc, &musterv1.ClientFrame{Id: 1, Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: token}}}); err != nil {
		return nc, err
	}
	for {
		h, err := ws.ReadHeader(r)
		if err == nil {
			_, err = r.Discard(int(h.Length))
		}
		if err != nil || h.OpCode == ws.OpBinary {
			return nc, err
		}
	}
}

func bareFrame(nc net.Conn, f *musterv1.ClientFrame) error {
	b, err := wire.EncodeClientFrame(f, false)
	if err != nil {
		return err
	}
	return ws.WriteFrame(nc, ws.MaskFrameInPlace(ws.NewBinaryFrame(b)))
}

// tokens are the tokens of people.
func tokens(ps []person) []string {
	list := make([]string, len(ps))
	for i, p := range ps {
		list[i] = p.token
	}
	return list
}
