package channel

import (
	"context"
	"time"

	"muster"
)

// Broadcast takes a text to every client that is in the room now, the sender's
// own included, and tells how many those are on this node. The client must be in
// the channel (failed_precondition, reason not_in_channel), the person's level
// at least the channel's speak level (permission_denied, may_not_speak), and
// slow mode over (resource_exhausted, slow_mode, with the time to wait;
// moderators and above need not). Nothing is stored, and no database is read.
func (r *Rooms) Broadcast(_ context.Context, acting muster.AccountID, id ClientID, channel muster.ChannelID, clientMessageID, text string) (delivered int64, err error) {
	c, err := r.clientOf(acting, id)
	if err != nil {
		return 0, err
	}
	if text, err = muster.ParseText("text", text, r.limits.TextBytes); err != nil {
		return 0, err
	}
	s := c.seat.Load()
	if s == nil || s.room.id != channel {
		return 0, errNotInChannel()
	}
	rm, p := s.room, s.person
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if s.out {
		return 0, errNotInChannel()
	}
	if p.key.level < rm.settings.SpeakLevel {
		return 0, muster.Denied("may_not_speak", "in this channel one speaks from the level %s on", rm.settings.SpeakLevel)
	}
	now := r.clock.Now()
	if err := p.slowDown(rm.settings.SlowMode, now); err != nil {
		return 0, err
	}
	r.out.Broadcast(Message{
		Channel: channel, Number: r.number.Add(1), Sender: p.present(), From: id,
		ClientMessageID: clientMessageID, Text: text, Time: now,
	})
	return int64(rm.clients), nil
}

func errNotInChannel() error {
	return muster.Conflict("not_in_channel", "this client is not in the channel: enter it first")
}

// slowDown holds slow mode, and takes note that the person speaks now.
func (p *person) slowDown(slow time.Duration, now time.Time) error {
	if slow <= 0 || p.key.level.KeepsOrder() {
		return nil
	}
	// More than the slow mode is left only when it was shortened or the
	// clock was set back: then it begins anew.
	if wait := p.nextSay.Sub(now); wait > 0 && wait <= slow {
		return muster.Exhausted("slow_mode", wait, "slow mode: you can write again in %s", wait.Round(100*time.Millisecond))
	}
	p.nextSay = now.Add(slow)
	return nil
}

// Typing passes on that somebody is writing, at most every TypingEvery for one
// person, and only in rooms small enough for it. It is a hint: what is not
// passed on is dropped without an error.
func (r *Rooms) Typing(acting muster.AccountID, id ClientID, channel muster.ChannelID) {
	c, err := r.clientOf(acting, id)
	if err != nil {
		return
	}
	s := c.seat.Load()
	if s == nil || s.room.id != channel {
		return
	}
	rm, p := s.room, s.person
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if s.out || rm.large || p.key.level < rm.settings.SpeakLevel {
		return
	}
	now := r.clock.Now()
	if wait := p.nextTyping.Sub(now); wait > 0 && wait <= r.limits.TypingEvery {
		return
	}
	p.nextTyping = now.Add(r.limits.TypingEvery)
	r.notifyAll(rm, Notice{Kind: NoticeTyping, Person: p.present()})
}

// notifyAll tells everybody who is seated; the room's lock is held.
func (r *Rooms) notifyAll(rm *room, n Notice) {
	if len(rm.people) == 0 {
		return
	}
	n.Channel, n.Number = rm.id, r.number.Add(1)
	r.out.Notify(n)
}

// announce tells that a person came or went. In a large room only staff are
// named, and the count follows with the next tick.
func (r *Rooms) announce(rm *room, n Notice) {
	if !rm.large || n.Person.Level.KeepsOrder() {
		r.notifyAll(rm, n)
	}
	if rm.large {
		rm.uncounted = true
		r.mark(rm)
	}
}

// resize makes a room large, or no longer, as its people have become more or
// fewer, and tells those who are in it. It is large until it has a tenth fewer
// than made it so: otherwise one person who comes and goes would have everybody
// read the list again and again.
func (r *Rooms) resize(rm *room) {
	people, limit := r.total(rm), r.limits.AnnounceUpTo
	switch {
	case !rm.large && people > limit:
		rm.large = true
		r.notifyAll(rm, Notice{Kind: NoticePeople, People: people, Large: true, Switched: true, Staff: rm.staff()})
	case rm.large && people <= limit-limit/10:
		rm.large, rm.uncounted = false, false
		r.notifyAll(rm, Notice{Kind: NoticePeople, People: people, Switched: true})
	}
}

// maxStaff is how many of a large room's staff are named at once; the pages have
// all of them.
const maxStaff = 100

// staff lists those in the room who keep order, the highest levels first, at most
// maxStaff. The room's lock is held.
func (rm *room) staff() []Present {
	var list []Present
	rm.order.after(presentKey{level: maxLevel}, func(k presentKey) bool {
		if !k.level.KeepsOrder() {
			return false
		}
		list = append(list, rm.people[k.account].present())
		return len(list) < maxStaff
	})
	return list
}

// mark puts the room on the list for the next tick; the room's lock is held.
func (r *Rooms) mark(rm *room) {
	if rm.dirty {
		return
	}
	rm.dirty = true
	r.dirtyMu.Lock()
	r.dirty = append(r.dirty, rm)
	r.dirtyMu.Unlock()
}

// Run tells the counts of large rooms once a second, and forgets what slow mode
// need not remember, until ctx ends.
func (r *Rooms) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.tick()
		}
	}
}

func (r *Rooms) tick() {
	r.dirtyMu.Lock()
	rooms := r.dirty
	r.dirty = nil
	r.dirtyMu.Unlock()
	now := r.clock.Now()
	for _, rm := range rooms {
		rm.mu.Lock()
		rm.dirty = false
		if rm.uncounted {
			rm.uncounted = false
			r.notifyAll(rm, Notice{Kind: NoticePeople, People: r.total(rm), Large: rm.large})
		}
		for account, until := range rm.slowed {
			if !until.After(now) || until.Sub(now) > MaxSlowMode {
				delete(rm.slowed, account)
			}
		}
		if len(rm.slowed) > 0 {
			r.mark(rm)
		}
		empty := rm.idle()
		rm.mu.Unlock()
		if empty {
			r.sweep(rm)
		}
	}
}
