package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/channel"
	"muster/internal/client"
)

// BenchmarkHello is a handshake, a hello with one group, and the close.
func BenchmarkHello(b *testing.B) {
	r := start(b, nil)
	p := r.people("anna")[0]
	r.group(p)
	b.ReportAllocs()
	for b.Loop() {
		c := p.welcomed(false)
		_ = c.nc.Close()
	}
}

// tap is a client that counts the bytes that come, as cheaply as possible.
func (p person) tap(room muster.ChannelID) *raw {
	c := p.welcomed(false)
	if room != 0 {
		c.frame(&musterv1.ClientFrame{Id: 2, Body: &musterv1.ClientFrame_Enter{Enter: &musterv1.Enter{ChannelId: int64(room)}}})
		for {
			frames, code := c.next()
			if code != 0 {
				p.Fatalf("closed with %d", code)
			}
			if frames[0].GetEntered() != nil || frames[len(frames)-1].GetEntered() != nil {
				break
			}
		}
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	return c
}

// BenchmarkFanOut says something of 128 bytes to 1,000 connections in a room;
// one operation is one message, delivered to all of them.
func BenchmarkFanOut(b *testing.B) {
	const listeners = 1000
	r := start(b, nil)
	ps := r.crowd("p", 100)
	room := r.channel(ps[0], channel.Settings{})
	taps := make([]*raw, listeners)
	for i := range taps {
		taps[i] = ps[i%len(ps)].tap(room)
	}
	speaker := ps[0].dial()
	speaker.enter(room)
	text := strings.Repeat("x", 128)
	speaker.say(room, text)
	var heard atomic.Int64
	var readers sync.WaitGroup
	for _, c := range taps {
		readers.Go(func() {
			buf := make([]byte, 4096)
			for {
				h, err := ws.ReadHeader(c.r)
				if err != nil {
					return
				}
				for left := h.Length; left > 0; {
					n, err := c.r.Read(buf[:min(left, int64(len(buf)))])
					if err != nil {
						return
					}
					left -= int64(n)
				}
				if h.Length > 128 {
					heard.Add(1)
				}
			}
		})
	}
	go func() {
		for range speaker.Events() { //nolint:revive // its own copies
		}
	}()
	r.await("the first message", func() bool { return heard.Load() >= listeners })
	base := heard.Load()
	n := int64(0)
	b.ResetTimer()
	for b.Loop() {
		speaker.say(room, text)
		if n++; n%16 == 0 { // at most 16 under way
			for heard.Load() < base+(n-16)*listeners {
				runtime.Gosched()
			}
		}
	}
	for heard.Load() < base+n*listeners {
		runtime.Gosched()
	}
	b.ReportMetric(float64(n*listeners)/b.Elapsed().Seconds(), "deliveries/s")
	b.StopTimer()
	for _, c := range taps {
		_ = c.nc.Close()
	}
	readers.Wait()
}

// BenchmarkSend sends 256-byte texts to one group over 16 connections with 16
// under way on each; one operation is one durable acknowledgement.
func BenchmarkSend(b *testing.B) {
	const conns, under = 16, 16
	r := start(b, nil)
	ps := r.crowd("p", conns)
	id := r.group(ps...)
	text := strings.Repeat("x", 256)
	live := make([]*conn, conns)
	var drains sync.WaitGroup
	for i, p := range ps {
		live[i] = p.dial()
		live[i].send(id, "first words")
		drains.Go(func() {
			for range live[i].Events() { //nolint:revive // pushes
			}
		})
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var times sync.Map
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range live {
		for j := range under {
			wg.Go(func() {
				var waits []time.Duration
				for left.Add(-1) >= 0 {
					begin := time.Now()
					live[i].send(id, text)
					waits = append(waits, time.Since(begin))
				}
				times.Store(i*under+j, waits)
			})
		}
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	var all []time.Duration
	times.Range(func(_, v any) bool {
		waits, _ := v.([]time.Duration)
		all = append(all, waits...)
		return true
	})
	b.ReportMetric(float64(percentile(all, 0.99).Microseconds())/1000, "p99-ms")
	for _, c := range live {
		_ = c.Close()
	}
	drains.Wait()
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(float64(len(sorted)-1)*p)]
}

// BenchmarkReturn lets 1,000 members come back at once who missed 100 messages
// each; one operation is all of them having everything.
func BenchmarkReturn(b *testing.B) {
	const members, missed = 1000, 100
	r := start(b, nil)
	ps := r.crowd("p", members)
	id := r.group(ps...)
	r.fill(ps[0], id, missed)
	for b.Loop() {
		var wg sync.WaitGroup
		var wrong atomic.Int64
		for _, p := range ps {
			wg.Go(func() {
				l, err := client.Dial(context.Background(), client.Options{URL: r.URL, Token: p.token})
				if err != nil {
					wrong.Add(1)
					return
				}
				defer l.Cut()
				got, err := l.Sync(context.Background(), &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: int64(id)}}})
				if err != nil || len(got.GetGroups()) != 1 || len(got.GetGroups()[0].GetMessages()) != missed {
					wrong.Add(1)
				}
			})
		}
		wg.Wait()
		if n := wrong.Load(); n > 0 {
			b.Fatalf("%d members did not get everything", n)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/return")
}

// BenchmarkIdle connects 10,000 people who are in five groups each and then do
// nothing, from another process, and tells what one costs this process: memory
// of heap and stacks, and processor time from the handshake to the welcome. The
// sessions are known (they have been checked lately), as after a cut.
func BenchmarkIdle(b *testing.B) {
	const people, groups, batch = 10_000, 5, 1000
	r := start(b, nil)
	ps := r.crowd("p", people)
	r.fullGroups(groups, ps)
	for b.Loop() {
		start := inUse()
		for _, p := range ps {
			if _, _, err := r.domain.Accounts.Authenticate(b.Context(), p.token); err != nil {
				b.Fatal(err)
			}
		}
		for _, round := range []string{"first", "again"} {
			before, cpu := inUse(), cpuTime(b)
			var crowds []*crowd
			for at := 0; at < people; at += batch {
				c, news := crowdProcess(b, crowdOrder{URL: r.URL, Tokens: tokens(ps[at : at+batch]), Parallel: 16})
				if news.Ready != batch {
					b.Fatalf("%d are ready", news.Ready)
				}
				crowds = append(crowds, c)
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/people, "us-cpu/hello-"+round)
			now := inUse()
			b.ReportMetric(float64(now-before)/people, "bytes/connection-"+round)
			if round == "first" {
				b.ReportMetric(float64(now-start)/people, "bytes/connection+login")
			}
			if file := os.Getenv("GATEWAY_BENCH_HEAP"); file != "" && round == "first" {
				writeHeap(b, file)
			}
			for _, c := range crowds {
				c.end()
			}
			r.await("the end", func() bool { return r.gw.Stats().Engine.Connections == 0 })
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkIdleTLS is BenchmarkIdle where the server itself ends TLS: each
// connection has a goroutine, Go's TLS and what the HTTP server leaves.
func BenchmarkIdleTLS(b *testing.B) {
	const people, groups = 2000, 5
	r := start(b, nil)
	ps := r.crowd("p", people)
	r.fullGroups(groups, ps)
	server := httptest.NewUnstartedServer(r.gw)
	server.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12} // as the server has it
	server.StartTLS()
	defer server.Close()
	for b.Loop() {
		before, resident, cpu := inUse(), residentBytes(b), cpuTime(b)
		c, news := crowdProcess(b, crowdOrder{URL: server.URL, Tokens: tokens(ps), Parallel: 16})
		if news.Ready != people {
			b.Fatalf("%d are ready", news.Ready)
		}
		b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/people, "us-cpu/hello")
		b.ReportMetric(float64(inUse()-before)/people, "bytes/connection")
		b.ReportMetric(float64(residentBytes(b)-resident)/people, "resident-bytes/connection")
		c.end()
		r.await("the end", func() bool { return r.gw.Stats().Engine.Connections == 0 })
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLargeGroup sends messages of 128 bytes to 10,000 online members of a
// group, one after another, and says the same to the same people in a channel. It
// prints what a delivery costs this process of a processor; the members are in
// another.
func BenchmarkLargeGroup(b *testing.B) {
	const people, messages, pause = 9000, 20, 250 * time.Millisecond
	r := start(b, nil)
	ps := r.crowd("p", people+1)
	id, room := r.fullGroups(1, ps)[0], r.channel(ps[0], channel.Settings{})
	_, news := crowdProcess(b, crowdOrder{URL: r.URL, Tokens: tokens(ps[:people]), Parallel: 16, Room: int64(room), Read: true})
	if news.Ready != people {
		b.Fatalf("%d are ready", news.Ready)
	}
	sender := ps[people].dial()
	sender.enter(room)
	text := strings.Repeat("x", 128)
	cost := func(send func()) float64 {
		send()
		sender.waiting()
		begin, cpu := r.gw.Stats().Engine.Delivered, cpuTime(b)
		for n := uint64(1); n <= messages; n++ {
			send()
			r.await("the deliveries", func() bool { return r.gw.Stats().Engine.Delivered >= begin+n*(people+1) })
			time.Sleep(pause) // so that every message is written by itself
			sender.waiting()
		}
		return float64((cpuTime(b) - cpu).Nanoseconds()) / messages / (people + 1)
	}
	for b.Loop() {
		inChannel := cost(func() { sender.say(room, text) })
		inGroup := cost(func() { sender.send(id, text) })
		b.ReportMetric(inChannel/1000, "us-cpu/channel-delivery")
		b.ReportMetric(inGroup/1000, "us-cpu/group-delivery")
		b.ReportMetric(inGroup/inChannel, "group/channel")
	}
	b.ReportMetric(0, "ns/op")
}

// writeHeap writes a heap profile, for whoever looks for what a session costs.
func writeHeap(b *testing.B, file string) {
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(pprof.WriteHeapProfile(f), f.Close()); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has used of the processors.
func cpuTime(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentBytes is what this process holds of the machine's memory.
func residentBytes(b testing.TB) int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("the system does not tell: ", err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// inUse is the memory of heap and stacks after a collection.
func inUse() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // far below
}
