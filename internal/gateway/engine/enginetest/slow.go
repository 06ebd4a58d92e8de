package enginetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"muster/internal/gateway/engine"
)

// testSlowReader publishes to one who does not read. When it reads again it gets
// what was queued, is told how much it missed, and then gets what follows.
func testSlowReader(t *testing.T, make func(Options) engine.Engine) {
	for _, lane := range []engine.Lane{engine.Live, engine.Log} {
		r := start(t, make, Options{Queue: 64 << 10, WriteTimeout: time.Hour})
		slow, hs := r.connect(engine.Proto)
		quick, hq := r.connect(engine.Proto)
		topic := engine.Topic{Lane: lane, ID: 7}
		hs.conn.Subscribe(topic, 0)
		hq.conn.Subscribe(topic, 0)
		text := strings.Repeat("x", 1000)
		number := uint64(0)
		for r.e.Stats().Missed < 10 {
			number++
			r.e.Publish(topic, number, frameOf(number, " ", text))
			if g, err := quick.receive(); err != nil || !strings.HasPrefix(g.text, fmt.Sprint(number, " ")) {
				t.Fatalf("the quick one got %q, %v instead of %d", g.text, err, number)
			}
			if number > 1e6 {
				t.Fatal("a million messages, and the slow reader missed none")
			}
		}
		if q := r.e.Stats().Queued; q > 200<<10 {
			t.Errorf("%d bytes are queued for a queue of 64 KiB", q)
		}
		// Now it reads, and more is published.
		next, told := uint64(1), false
		for !told || next <= number+3 {
			if told && next == number+1 {
				for range 3 {
					number++
					r.e.Publish(topic, number, frameOf(number, " ", text))
				}
			}
			g, err := slow.receive()
			if err != nil {
				t.Fatal(err)
			}
			if rest, ok := strings.CutPrefix(g.text, "missed"); ok {
				var id, count, last uint64
				if n, err := fmt.Sscan(rest, &id, &count, &last); n != 3 || told || id != 7 || last != number || next+count-1 != last {
					t.Fatalf("at %d of %d: %q, %v", next, number, g.text, err)
				}
				told, next = true, last+1
				if r.e.Stats().Missed != count {
					t.Errorf("told %d, counted %d", count, r.e.Stats().Missed)
				}
				for range 3 {
					number++
					r.e.Publish(topic, number, frameOf(number, " ", text))
				}
				continue
			}
			if !strings.HasPrefix(g.text, fmt.Sprint(next, " ")) {
				t.Fatalf("got %.10q instead of %d", g.text, next)
			}
			next++
			if told && next == number+1 {
				break
			}
		}
		r.stop()
	}
}

// testUrgent publishes chatter and now and then something urgent to one who does
// not read: it misses chatter, but nothing urgent, and what it is told adds up.
func testUrgent(t *testing.T, make func(Options) engine.Engine) {
	r := start(t, make, Options{Queue: 64 << 10, WriteTimeout: time.Hour})
	slow, h := r.connect(engine.Proto)
	topic := engine.Topic{Lane: engine.Live, ID: 7}
	h.conn.Subscribe(topic, 0)
	text := strings.Repeat("x", 1000)
	number, urgent := uint64(0), 0
	for ; r.e.Stats().Missed < 1000; number++ {
		if number > 1e6 {
			t.Fatal("a million messages, and the slow reader missed none")
		}
		if number%100 == 50 {
			r.e.Publish(topic, number+1, frameOf("urgent ", number+1).Urgent())
			urgent++
			continue
		}
		r.e.Publish(topic, number+1, frameOf(number+1, " ", text))
	}
	number++
	r.e.Publish(topic, number, frameOf("urgent ", number).Urgent())
	urgent++
	got, missed, last, lastMissed := uint64(0), uint64(0), uint64(0), uint64(0)
	for got+missed < number {
		g, err := slow.receive()
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		if rest, ok := strings.CutPrefix(g.text, "missed"); ok {
			id, count := uint64(0), uint64(0)
			if k, err := fmt.Sscan(rest, &id, &count, &lastMissed); k != 3 {
				t.Fatalf("%q: %v", g.text, err)
			}
			missed += count
			continue
		}
		if rest, ok := strings.CutPrefix(g.text, "urgent "); ok {
			urgent--
			g.text = rest
		}
		if _, err := fmt.Sscan(g.text, &n); err != nil || n <= last {
			t.Fatalf("%.20q after %d: %v", g.text, last, err)
		}
		last = n
		got++
	}
	if urgent != 0 || got+missed != number || missed < 1000 || lastMissed >= number {
		t.Errorf("%d urgent ones are missing; got %d and missed %d of %d, the last missed is %d", urgent, got, missed, number, lastMissed)
	}
}

// testLateAndSlow publishes without numbers, now and then something urgent, to one
// who does not read and whose subscription begins behind a number that has not
// come: what waits for it is bounded, it misses nothing urgent, what it is told
// adds up, and then it begins behind its number.
func testLateAndSlow(t *testing.T, make func(Options) engine.Engine) {
	const queue, mark = 64 << 10, 1000
	r := start(t, make, Options{Queue: queue, WriteTimeout: time.Hour})
	slow, h := r.connect(engine.Proto)
	topic := engine.Topic{Lane: engine.Live, ID: 7}
	h.conn.Subscribe(topic, mark)
	text := strings.Repeat("x", 1000)
	published, urgent := uint64(0), 0
	for s := r.e.Stats(); s.Missed < 1000 || s.Delivered+s.Missed < published; s = r.e.Stats() {
		if published > 1e6 {
			t.Fatal("a million messages, and the slow reader missed few")
		}
		if s.Queued > 3*queue {
			t.Fatalf("%d bytes wait where %d may", s.Queued, queue)
		}
		if s.Missed >= 1000 { // the last ones are on their way
			time.Sleep(time.Millisecond)
			continue
		}
		for range 10 {
			published++
			r.e.Publish(topic, 0, frameOf("plain ", text))
		}
		if published%500 == 0 {
			published++
			urgent++
			r.e.Publish(topic, 0, frameOf("urgent").Urgent())
		}
		if s.Delivered+s.Missed+50 < published { // not faster than it is looked at
			time.Sleep(time.Millisecond)
		}
	}
	got, missed := uint64(0), uint64(0)
	for got+missed < published {
		g, err := slow.receive()
		if err != nil {
			t.Fatal(err)
		}
		rest, told := strings.CutPrefix(g.text, "missed")
		var id, count, last uint64
		switch n, err := fmt.Sscan(rest, &id, &count, &last); {
		case !told:
			got++
		case n != 3 || id != 7 || last != 0:
			t.Fatalf("%q: %v", g.text, err)
		default:
			missed += count
		}
		if g.text == "urgent" {
			urgent--
		}
	}
	s := r.e.Stats()
	if urgent != 0 || got+missed != published || s.Missed != missed || s.Delivered != got {
		t.Errorf("%d urgent ones are missing; got %d and missed %d of %d; %+v", urgent, got, missed, published, s)
	}
	r.e.Publish(topic, 0, frameOf("told"))
	r.e.Publish(topic, mark, frameOf("too early"))
	r.e.Publish(topic, mark+1, frameOf("begin"))
	slow.want(ws.OpBinary, "told")
	slow.want(ws.OpBinary, "begin")
}

// testDeadReaders publishes to a crowd of whom some never read: the others get
// everything, and what waits for the dead ones stays within bounds, in the
// topic's log and in their own queues.
func testDeadReaders(t *testing.T, make func(Options) engine.Engine) {
	const dead, queue = 20, 64 << 10
	r := start(t, make, Options{Queue: queue, WriteTimeout: time.Hour})
	topic := engine.Topic{Lane: engine.Live, ID: 7}
	for range dead {
		_, h := r.connect(engine.Proto)
		h.conn.Subscribe(topic, 0)
	}
	alive, h := r.connect(engine.Proto)
	h.conn.Subscribe(topic, 0)
	text := strings.Repeat("x", 20000)
	for n := uint64(1); r.e.Stats().Missed < 10*dead || r.e.Stats().Stalled < dead; n++ {
		if n > 1e5 {
			t.Fatal("two gigabytes, and the dead readers missed nothing")
		}
		r.e.Publish(topic, n, frameOf(n, " ", text))
		if g, err := alive.receive(); err != nil || !strings.HasPrefix(g.text, fmt.Sprint(n, " ")) {
			t.Fatalf("got %.10q, %v instead of %d", g.text, err, n)
		}
	}
	s := r.e.Stats()
	if most := int64(dead * (queue + 30000)); s.Queued > most || s.Logs > 1<<20 || s.Stalled != dead {
		t.Errorf("%+v; at most %d bytes may be queued", s, most)
	}
	r.stop()
	if s := r.e.Stats(); s.Queued != 0 || s.Logs != 0 || s.Stalled != 0 || s.Connections != 0 {
		t.Errorf("after the stop: %+v", s)
	}
}
