package enrol_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/fault"
	"muster/internal/group"
	"muster/internal/store"
)

// gate holds a worker up before every page of the roster until the test lets it
// through, and tells when the worker has nothing to do.
type gate struct {
	enrol.Channels
	enrol.Ledger
	mu       sync.Mutex
	waiting  bool // a page waits
	searches int  // how often the worker found nothing to do
	moved    chan struct{}
	pass     chan struct{}
}

func newGate() *gate { return &gate{moved: make(chan struct{}, 1), pass: make(chan struct{})} }

func (g *gate) note(waiting bool, searches int) {
	g.mu.Lock()
	g.waiting = waiting
	g.searches += searches
	g.mu.Unlock()
	select {
	case g.moved <- struct{}{}:
	default:
	}
}

func (g *gate) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]enrol.Person, error) {
	if limit > 100 { // a preview, in the test's own goroutine
		return g.Channels.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
	}
	g.note(true, 0)
	select {
	case <-g.pass:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return g.Channels.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
}

func (g *gate) Claim(ctx context.Context, owner string, now, until time.Time) (enrol.Enrolment, bool, error) {
	e, ok, err := g.Ledger.Claim(ctx, owner, now, until)
	if !ok && err == nil {
		g.note(false, 1)
	}
	return e, ok, err
}

// settle waits until the worker stands at the gate, or has nothing to do.
func (g *gate) settle(rt *rapid.T, working func() bool) {
	late := time.After(time.Minute)
	for {
		g.mu.Lock()
		waiting := g.waiting
		g.mu.Unlock()
		if waiting || !working() {
			return
		}
		select {
		case <-g.moved:
		case <-late:
			rt.Fatalf("the worker neither works nor ends")
		}
	}
}

// step lets one page through and waits for what follows it.
func (g *gate) step(rt *rapid.T, working func() bool) {
	g.mu.Lock()
	waiting := g.waiting
	g.waiting = false
	searches := g.searches
	g.mu.Unlock()
	if !waiting {
		return
	}
	g.pass <- struct{}{}
	late := time.After(time.Minute)
	for {
		g.mu.Lock()
		done := g.waiting || g.searches > searches
		g.mu.Unlock()
		if done {
			g.settle(rt, working)
			return
		}
		select {
		case <-g.moved:
		case <-late:
			rt.Fatalf("the worker neither works nor ends")
		}
	}
}

// play is one run of the property: the model beside the program.
type play struct {
	*world
	rt    *rapid.T
	m     *model
	now   *hands
	node  *enrol.Service
	gate  *gate
	c     *fault.Census
	ids   []muster.AccountID
	g     muster.GroupID
	ch    muster.ChannelID
	jobs  []muster.EnrolmentID
	looks int
}

// The rules of who is added, asked and skipped, with people who join, leave,
// change and answer between any two pages, hold as in the model: members,
// subgroups, questions, counts and what people are told. Where nothing happens
// between the preview and the end, the preview was right.
func TestRules(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, opt store.Options) {
		now := newHands()
		w := idleWorld(t, opt, now, func(c *config.Config) {
			c.Enrolment.Page, c.Enrolment.MaxPage, c.Enrolment.Lease = 3, 3, time.Hour
			c.Enrolment.Window = time.Second
		})
		ids := w.people("p", 10)
		slices.Sort(ids)
		c := w.census()
		gate := newGate()
		node := w.node(func(o *enrol.Options) {
			gate.Channels, gate.Ledger = o.Channels, o.Ledger
			o.Channels, o.Ledger = gate, gate
		})
		run(t, node)
		rapid.Check(t, func(rt *rapid.T) {
			p := &play{world: w, rt: rt, now: now, node: node, gate: gate, c: c, ids: ids, m: newModel(len(ids), now.Now)}
			p.begin()
			defer p.finish()
			rt.Repeat(map[string]func(*rapid.T){
				"join": p.join, "level": p.level, "leave the roster": p.leaveRoster, "setting": p.setting, "block": p.block, "come back": p.comeBack,
				"leave the group": p.leaveGroup, "remove": p.remove, "speak": p.speak, "capacity": p.capacity,
				"start": p.start, "page": p.page, "page on": p.page, "answer": p.answer, "answer more": p.answer, "answer as a member": p.answerAsMember,
				"cancel": p.cancel, "undo": p.undo, "undisturbed": p.undisturbed, "undisturbed again": p.undisturbed,
				"time": func(rt *rapid.T) { now.pass(time.Duration(rapid.IntRange(1, 40).Draw(rt, "minutes")) * time.Minute) },
				"":     func(*rapid.T) { p.compare() },
			})
		})
	})
}

func (p *play) fail(err error) {
	if err != nil {
		p.rt.Fatalf("%+v", err)
	}
}

// begin makes a fresh group and channel, and takes back what the last run set.
func (p *play) begin() {
	p.told.mu.Lock()
	p.told.added, p.told.invited, p.told.removed = nil, nil, nil
	p.told.mu.Unlock()
	p.now.pass(time.Hour)
	ctx := p.t.Context()
	allow := muster.DirectAddAllow
	for _, id := range p.ids {
		_, err := p.Accounts.UpdateProfile(ctx, id, account.Profile{DirectAdd: &allow})
		p.fail(err)
		p.fail(p.Accounts.Unblock(ctx, id, p.owner))
	}
	p.g = p.group("Modelled", 0)
	ch, err := p.Channels.CreateChannel(ctx, p.owner, 0, channel.Settings{Name: "modelled", JoinPolicy: channel.JoinOpen})
	p.fail(err)
	p.ch = ch.ID
	for i := range p.ids {
		if level := muster.Level(rapid.IntRange(0, 5).Draw(p.rt, "level")); level > 0 { //nolint:gosec // a level
			_, err := p.Channels.SetLevel(ctx, p.owner, p.ch, p.ids[i], level)
			p.fail(err)
			p.m.put(i, level)
		}
		if d := rapid.IntRange(0, 6).Draw(p.rt, "setting"); d == 1 {
			p.set(i, muster.DirectAddAsk)
		} else if d == 2 {
			p.set(i, muster.DirectAddRefuse)
		}
	}
}

// finish ends the last job, so that the worker is free for the next run.
func (p *play) finish() {
	if p.running() {
		_, err := p.node.Cancel(p.t.Context(), p.owner, p.jobs[len(p.jobs)-1])
		p.fail(err)
	}
	p.gate.step(p.rt, p.running)
}

func (p *play) someone(rt *rapid.T) int { return rapid.IntRange(0, len(p.ids)-1).Draw(rt, "person") }

func (p *play) some(rt *rapid.T, which string, meets func(*modelPerson) bool) int {
	var who []int
	for i, person := range p.m.people {
		if meets(person) {
			who = append(who, i)
		}
	}
	if len(who) == 0 {
		rt.Skip("nobody is " + which)
	}
	return rapid.SampledFrom(who).Draw(rt, which)
}

func (p *play) join(rt *rapid.T) {
	i := p.someone(rt)
	_, err := p.Channels.JoinRoster(p.t.Context(), p.ids[i], p.ch, "")
	p.fail(err)
	if p.m.people[i].level == muster.Visitor {
		p.m.put(i, muster.Guest)
	}
}

func (p *play) level(rt *rapid.T) {
	i, level := p.someone(rt), muster.Level(rapid.IntRange(1, 5).Draw(rt, "level")) //nolint:gosec // a level
	_, err := p.Channels.SetLevel(p.t.Context(), p.owner, p.ch, p.ids[i], level)
	p.fail(err)
	p.m.put(i, level)
}

func (p *play) leaveRoster(rt *rapid.T) {
	i := p.someone(rt)
	p.fail(p.Channels.LeaveRoster(p.t.Context(), p.ids[i], p.ch))
	p.m.people[i].level = muster.Visitor
}

// comeBack lets somebody whom the running job has asked leave the roster and come
// back at another level, before their answer or after it: pass 2 finds them.
func (p *play) comeBack(rt *rapid.T) {
	n := len(p.m.jobs)
	if n == 0 || p.m.job(n).state != enrol.Running || p.m.job(n).pass != 1 {
		rt.Skip("none is in its first pass")
	}
	i := p.some(rt, "asked", func(m *modelPerson) bool {
		return m.level != muster.Visitor && p.m.job(n).questions[slices.Index(p.m.people, m)] != nil
	})
	level := muster.Level(rapid.IntRange(1, 5).Draw(rt, "level")) //nolint:gosec // a level
	p.fail(p.Channels.LeaveRoster(p.t.Context(), p.ids[i], p.ch))
	p.m.people[i].level = muster.Visitor
	_, err := p.Channels.SetLevel(p.t.Context(), p.owner, p.ch, p.ids[i], level)
	p.fail(err)
	p.m.put(i, level)
}

func (p *play) set(i int, d muster.DirectAdd) {
	_, err := p.Accounts.UpdateProfile(p.t.Context(), p.ids[i], account.Profile{DirectAdd: &d})
	p.fail(err)
	p.m.people[i].setting = d
}

func (p *play) setting(rt *rapid.T) {
	p.set(p.someone(rt), rapid.SampledFrom([]muster.DirectAdd{muster.DirectAddAllow, muster.DirectAddAsk, muster.DirectAddRefuse}).Draw(rt, "setting"))
}

func (p *play) block(rt *rapid.T) {
	i := p.someone(rt)
	act := p.Accounts.Block
	if p.m.people[i].blocks {
		act = p.Accounts.Unblock
	}
	p.fail(act(p.t.Context(), p.ids[i], p.owner))
	p.m.people[i].blocks = !p.m.people[i].blocks
}

func (p *play) leaveGroup(rt *rapid.T) {
	i := p.some(rt, "a member", func(m *modelPerson) bool { return m.member })
	p.fail(p.Groups.LeaveGroup(p.t.Context(), p.ids[i], p.g))
	p.m.leaveGroup(i, true)
}

func (p *play) remove(rt *rapid.T) {
	i := p.some(rt, "a member", func(m *modelPerson) bool { return m.member })
	p.fail(p.Groups.RemoveMember(p.t.Context(), p.owner, p.g, p.ids[i]))
	p.m.leaveGroup(i, false)
}

func (p *play) speak(rt *rapid.T) {
	i := p.someone(rt)
	if rapid.Bool().Draw(rt, "a member") {
		i = p.some(rt, "enrolled", func(m *modelPerson) bool { return m.member && m.by > 0 })
	}
	_, err := p.Groups.Send(p.t.Context(), p.ids[i], group.Draft{Group: p.g, ClientID: fmt.Sprint(p.opt.IDs.Next()), Text: "hello"})
	if member := p.m.people[i].member; member != (err == nil) {
		rt.Fatalf("a member: %v; sent with %v", member, err)
	}
	p.m.people[i].spoke = p.m.people[i].member
}

func (p *play) capacity(rt *rapid.T) {
	n := int64(rapid.IntRange(0, 8).Draw(rt, "capacity"))
	_, err := p.Groups.UpdateGroup(p.t.Context(), p.owner, p.g, group.Settings{Capacity: &n})
	p.fail(err)
	p.m.capacity = int(n)
}

// running says whether the last job still works.
func (p *play) running() bool {
	if len(p.jobs) == 0 {
		return false
	}
	e, err := p.Store.Ledger().Get(p.t.Context(), p.jobs[len(p.jobs)-1])
	p.fail(err)
	return e.State.Working()
}

func (p *play) start(rt *rapid.T) {
	if n := len(p.m.jobs); n > 0 && p.m.job(n).state == enrol.Running {
		rt.Skip("one is running")
	}
	r := enrol.Request{Group: p.g, Channel: p.ch, Expiry: time.Duration(rapid.IntRange(1, 3).Draw(rt, "hours")) * time.Hour}
	for level := muster.Guest; level <= muster.Owner; level++ {
		r.Policies[level] = rapid.SampledFrom([]enrol.Policy{enrol.Direct, enrol.Direct, enrol.Ask, enrol.Ask, enrol.Skip}).Draw(rt, "policy")
	}
	r.Policies[muster.Owner] = enrol.Direct // so that the request is none for nobody
	pre, err := p.node.Preview(p.t.Context(), p.owner, r)
	p.fail(err)
	if want := p.m.preview(r.Policies); pre.Levels != want {
		rt.Fatalf("preview\n%+v, want\n%+v", pre.Levels, want)
	}
	p.now.pass(2 * time.Second) // the window is no matter here
	e, err := p.node.Start(p.t.Context(), p.owner, r, "")
	p.fail(err)
	p.jobs = append(p.jobs, e.ID)
	p.m.jobs = append(p.m.jobs, &modelJob{
		policies: r.Policies, expiry: r.Expiry, state: enrol.Running, pass: 1, mark: p.m.entries, cursor: -2, questions: map[int]*modelQuestion{},
	})
	p.gate.settle(rt, p.running)
}

func (p *play) page(rt *rapid.T) {
	n := len(p.m.jobs)
	if n == 0 || p.m.job(n).state != enrol.Running {
		rt.Skip("none is running")
	}
	p.gate.step(rt, p.running)
	p.m.step(3)
}

func (p *play) undisturbed(rt *rapid.T) {
	p.start(rt)
	j := p.m.job(len(p.m.jobs))
	var want enrol.Counts
	for _, c := range p.m.preview(j.policies) {
		want.Add(c)
	}
	for j.state == enrol.Running {
		p.page(rt)
	}
	e, err := p.node.Get(p.t.Context(), p.owner, p.jobs[len(p.jobs)-1])
	p.fail(err)
	if e.Counts != want || e.Total != want.Handled() {
		rt.Fatalf("the preview said %+v, it became %+v of %d", want, e.Counts, e.Total)
	}
}

func (p *play) answer(rt *rapid.T) {
	if len(p.jobs) == 0 {
		rt.Skip("nobody was asked")
	}
	job := rapid.IntRange(1, len(p.jobs)).Draw(rt, "job")
	i := p.someone(rt)
	if asked := p.m.job(job).questions; len(asked) > 0 && rapid.IntRange(0, 9).Draw(rt, "of those asked") > 0 {
		i = rapid.SampledFrom(slices.Sorted(func(yield func(int) bool) {
			for i := range asked {
				if !yield(i) {
					return
				}
			}
		})).Draw(rt, "asked")
	}
	p.answerOf(rt, job, i)
}

// answerAsMember answers a question of one job by somebody whom another job has
// added meanwhile.
func (p *play) answerAsMember(rt *rapid.T) {
	for n, j := range p.m.jobs {
		for i, person := range p.m.people {
			if q := j.questions[i]; q != nil && q.answer == enrol.Open && person.member && person.by > 0 && (j.state == enrol.Running || j.state == enrol.Done) {
				p.answerOf(rt, n+1, i)
				return
			}
		}
	}
	rt.Skip("there is nobody like that")
}

func (p *play) answerOf(rt *rapid.T, job, i int) {
	choice := rapid.SampledFrom([]enrol.Choice{enrol.Accept, enrol.Decline, enrol.DeclineAndLeave}).Draw(rt, "choice")
	a, err := p.node.AnswerInvitation(p.t.Context(), p.ids[i], muster.InvitationID(p.jobs[job-1]), choice)
	got := muster.ReasonOf(err)
	if err == nil && a.Repeated {
		got = "repeated"
	}
	if want := p.m.answer(i, job, choice); got != want || err != nil && got == "" {
		rt.Fatalf("person %d answers %v to job %d: %q (%v), want %q", i, choice, job, got, err, want)
	}
}

func (p *play) cancel(rt *rapid.T) {
	if len(p.jobs) == 0 {
		rt.Skip("there is none")
	}
	job := rapid.IntRange(1, len(p.jobs)).Draw(rt, "job")
	works := p.m.job(job).state == enrol.Running
	_, err := p.node.Cancel(p.t.Context(), p.owner, p.jobs[job-1])
	if want := p.m.cancel(job); muster.ReasonOf(err) != want {
		rt.Fatalf("cancel: %v, want %q", err, want)
	}
	if works {
		p.gate.step(rt, p.running) // the worker notices
	}
}

func (p *play) undo(rt *rapid.T) {
	if n := len(p.m.jobs); n == 0 || p.m.job(n).state == enrol.Running && n == 1 {
		rt.Skip("there is none to undo")
	}
	job := rapid.IntRange(1, len(p.jobs)).Draw(rt, "job")
	if p.m.job(len(p.m.jobs)).state == enrol.Running && job != len(p.m.jobs) {
		rt.Skip("the worker has another one to do")
	}
	_, err := p.node.Undo(p.t.Context(), p.owner, p.jobs[job-1])
	if want := p.m.undo(job); muster.ReasonOf(err) != want {
		rt.Fatalf("undo: %v, want %q", err, want)
	}
	if err == nil {
		p.ended(rt, p.jobs[job-1])
	}
}
