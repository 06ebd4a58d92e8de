package engine

import "time"

// passes are the rounds in which a loop brings the connections of busy topics up
// to the heads of their logs. What is published while a round is under way goes
// out with it to those it has not come to.
type passes struct {
	tick time.Duration
	// now holds the topics of the round under way, next those of the one after.
	now, next []*tlog
	began     time.Duration
	visits    int // of the round under way
	// earliest is when the next round may begin: a busy loop puts together what
	// comes within a moment.
	earliest time.Duration
}

// Of a round that took longer than a millisecond, the loop rests roundRest times
// as long before it begins another, but begins one within the tick; and topics
// join a round that is not older than joinWithin.
const (
	roundRest  = 2
	joinWithin = 200 * time.Millisecond
)

// mark has a topic visited.
func (p *passes) mark(g *tlog, now time.Duration) {
	switch {
	case g.phase == running:
		g.again = g.again || g.cursor > 0
	case g.phase == waiting:
	case len(p.now) > 0 && now-p.began < joinWithin:
		g.phase, g.cursor, g.left = running, 0, 0
		p.now = append(p.now, g)
	default:
		g.phase = waiting
		p.next = append(p.next, g)
	}
}

// wait is how long the loop may sleep; negative: nothing is to be done.
func (p *passes) wait(now time.Duration) time.Duration {
	switch {
	case len(p.now) > 0:
		return 0
	case len(p.next) > 0:
		return max(0, p.earliest-now)
	default:
		return -1
	}
}

// The visits between two looks at the sockets, and those to one topic before the
// next gets its turn.
const (
	visitsAtOnce   = 256
	visitsOfATopic = 64
)

// pass goes on with the round.
func (l *loop) pass() {
	p := &l.passes
	if len(p.now) == 0 {
		if len(p.next) == 0 || l.clock.read() < p.earliest {
			return
		}
		p.now, p.next = p.next, p.now[:0]
		p.began, p.visits = l.clock.now, 0
		for _, g := range p.now {
			g.phase, g.cursor, g.left = running, 0, 0
		}
	}
	for visits := 0; visits < visitsAtOnce && len(p.now) > 0; {
		for i := 0; i < len(p.now) && visits < visitsAtOnce; {
			g := p.now[i]
			n := l.visit(g)
			visits += n
			p.visits += n
			if g.cursor < len(g.subs) {
				i++
				continue
			}
			last := len(p.now) - 1
			p.now[i], p.now[last] = p.now[last], nil
			p.now = p.now[:last]
			l.visited(g)
		}
	}
	if len(p.now) == 0 {
		took := l.clock.read() - p.began
		p.note(&l.clock)
		p.earliest = 0
		if took > time.Millisecond {
			p.earliest = p.began + min((1+roundRest)*took, p.tick)
		}
	}
}

// visitCost is what bringing a connection up to the head may take; the rest of a
// round's time went to something else.
const visitCost = 20 * time.Microsecond

// note counts how long the round has taken until now.
func (p *passes) note(k *loopClock) {
	took := k.now - p.began
	k.longestRound = max(k.longestRound, took)
	k.longestLate = max(k.longestLate, took-time.Duration(p.visits)*visitCost)
}

// visit brings some connections up to the head and tells how many.
func (l *loop) visit(g *tlog) int {
	head := g.head()
	n := 1
	for ; n <= visitsOfATopic && g.cursor < len(g.subs); n++ {
		s := &g.subs[g.cursor]
		g.cursor++
		if s.pos == head {
			continue
		}
		if c := s.c; !c.blocked && (c.out == nil || l.flush(c)) {
			l.bring(g, s)
		}
		if s.pos < head {
			g.left++
		}
	}
	return n
}

// visited ends a topic's part in a round.
func (l *loop) visited(g *tlog) {
	g.phase = resting
	if g.again {
		g.again = false
		g.phase = waiting
		l.passes.next = append(l.passes.next, g)
		return
	}
	g.behind = 0
	if g.left > 0 { // some may have caught up since
		head := g.head()
		for i := range g.subs {
			if g.subs[i].pos < head {
				g.behind++
			}
		}
	}
	if g.behind == 0 {
		g.empty()
	}
}
