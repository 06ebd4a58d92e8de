package channel

import (
	"slices"

	"muster"
)

// Apply makes the rooms of this node follow what was committed. It is called by
// Service for this node's own acts and by the listener on the bus for those of
// others. Repeated and late changes have no effect; a change that is lost shows
// when the person comes in again.
func (r *Rooms) Apply(ch Change) {
	rm := r.room(ch.Channel)
	if rm == nil {
		return
	}
	rm.mu.Lock()
	rm.version = max(rm.version, ch.Version)
	if ch.Deleted {
		for _, p := range rm.people { // the only act that walks through a room
			r.putOut(p, "deleted", ch.Version, true)
		}
	}
	if ch.Settings != nil && ch.Version > rm.settingsAt {
		r.resettle(rm, *ch.Settings, ch.Version)
	}
	for _, pc := range ch.People {
		p := rm.people[pc.Account]
		if p == nil {
			continue
		}
		if pc.Out != "" {
			r.putOut(p, pc.Out, ch.Version, false)
		}
		r.regard(rm, p, pc, ch.Version)
	}
	empty := rm.idle()
	rm.mu.Unlock()
	if empty {
		r.sweep(rm)
	}
}

// resettle gives the room the settings of a version, tells everybody, and puts
// out who may not be there under them. The room's lock is held, as below.
func (r *Rooms) resettle(rm *room, settings Settings, version int64) {
	same := settings == rm.settings
	rm.settings, rm.settingsAt = settings, version
	if same {
		return
	}
	r.notifyAll(rm, Notice{Kind: NoticeChanged, Settings: settings})
	if settings.JoinPolicy != JoinRoster {
		return
	}
	var visitors []*person
	rm.order.after(beforeVisitors, func(k presentKey) bool {
		visitors = append(visitors, rm.people[k.account])
		return true
	})
	for _, p := range visitors {
		r.putOut(p, outRosterOnly, version, false)
	}
}

// beforeVisitors sorts after every person on the roster and before every
// visitor: no nickname holds a noncharacter.
var beforeVisitors = presentKey{level: muster.Guest, nickname: "\U0010FFFF", account: 1<<63 - 1}

// outRosterOnly is why somebody has to go who may not be in the room any more.
const outRosterOnly = "roster_only"

// regard gives a person the level and nickname of a version, if they are newer
// than what the room knows.
func (r *Rooms) regard(rm *room, p *person, pc PersonChange, version int64) {
	if version <= p.version || len(p.seats) == 0 {
		return
	}
	p.version = version
	was := p.present()
	is := Present{Account: was.Account, Nickname: pc.Nickname, Level: pc.Level}
	if is == was {
		return
	}
	rm.order.remove(p.key)
	p.nickname = is.Nickname
	p.key = presentKey{is.Level, muster.NicknameKey(is.Nickname), is.Account}
	rm.order.add(p.key)
	if rm.settings.JoinPolicy == JoinRoster && !is.Level.OnRoster() {
		r.putOut(p, outRosterOnly, version, false)
		return
	}
	if was.Level != is.Level {
		for _, s := range p.seats {
			r.out.Notify(Notice{Kind: NoticeChanged, Channel: rm.id, To: s.client, Person: is, Settings: rm.settings})
		}
	}
	// The person is shown differently from now on. In a large room only staff
	// are named: who became or was staff.
	if !rm.large || was.Level.KeepsOrder() || is.Level.KeepsOrder() {
		r.notifyAll(rm, Notice{Kind: NoticeJoined, Person: is})
	}
}

// putOut frees the seats that the person took before a version, and tells each
// client why.
func (r *Rooms) putOut(p *person, why string, version int64, quiet bool) {
	for _, s := range slices.Clone(p.seats) {
		if s.version < version {
			r.out.Notify(Notice{Kind: NoticeOut, Channel: s.room.id, To: s.client, Person: p.present(), Why: why})
			r.drop(s, quiet)
		}
	}
}
