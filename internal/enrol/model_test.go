package enrol_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"muster"
	"muster/internal/enrol"
)

// The rules of enrolment in their simplest words, for one group and one channel:
// what TestRules holds the program against. People are numbered; number order is
// the order of their accounts.

// modelPerson is what there is to know of a person.
type modelPerson struct {
	level   muster.Level // Visitor: not on the roster
	entry   int64        // their number on the roster
	setting muster.DirectAdd
	blocks  bool // the requester
	left    bool // the group, by themselves, or declined it and left the channel
	member  bool
	place   string // the subgroup
	by      int    // the job that brought them, and whom they have not answered; 0: none
	spoke   bool
}

// modelQuestion is an invitation.
type modelQuestion struct {
	level   muster.Level
	answer  enrol.Choice
	expires time.Time
}

// modelJob is an enrolment. Jobs are numbered from 1 on.
type modelJob struct {
	policies           enrol.Policies
	expiry             time.Duration
	state              enrol.State
	pass               int
	mark, mark2        int64
	cursor             int // the person handled last
	counts             enrol.Counts
	accepted, declined int64
	removed            int64
	questions          map[int]*modelQuestion
}

// model is the whole of it.
type model struct {
	people   []*modelPerson
	entries  int64
	capacity int
	others   int // members who are none of the people
	jobs     []*modelJob
	places   map[muster.Level]string
	subs     map[string]bool
	now      func() time.Time
	// What the outside was told, by person.
	added, invited, removed map[int]int
}

func newModel(people int, now func() time.Time) *model {
	m := &model{
		others: 1, entries: 1, now: now, places: map[muster.Level]string{}, subs: map[string]bool{},
		added: map[int]int{}, invited: map[int]int{}, removed: map[int]int{},
	}
	for range people {
		m.people = append(m.people, &modelPerson{setting: muster.DirectAddAllow})
	}
	return m
}

func (m *model) job(n int) *modelJob { return m.jobs[n-1] }

func (m *model) members() int {
	n := m.others
	for _, p := range m.people {
		if p.member {
			n++
		}
	}
	return n
}

// put places a person on the roster.
func (m *model) put(i int, level muster.Level) {
	if m.people[i].level == muster.Visitor {
		m.entries++
		m.people[i].entry = m.entries
	}
	m.people[i].level = level
}

// page is who the worker handles next.
func (m *model) page(j *modelJob, limit int) (who []int) {
	from, to := int64(0), j.mark
	if j.pass == 2 {
		from, to = j.mark, j.mark2
	}
	for i, p := range m.people {
		if p.level != muster.Visitor && i > j.cursor && p.entry > from && p.entry <= to && len(who) < limit {
			who = append(who, i)
		}
	}
	return who
}

// fate is what becomes of a person, while the group has so many members.
func (m *model) fate(i int, p enrol.Policy, asked bool, members int) string {
	person := m.people[i]
	wants := p == enrol.Ask || person.setting == muster.DirectAddAsk || person.left || asked
	switch {
	case person.member:
		return "already"
	case p == enrol.Skip:
		return "policy"
	case person.blocks:
		return "blocked"
	case person.setting == muster.DirectAddRefuse:
		return "refused"
	case wants:
		return "asked"
	case m.capacity > 0 && members >= m.capacity:
		return "full"
	default:
		return "added"
	}
}

func count(c *enrol.Counts, fate string) {
	*map[string]*int64{
		"already": &c.AlreadyIn, "policy": &c.SkippedPolicy, "blocked": &c.SkippedBlocked, "refused": &c.SkippedRefused,
		"asked": &c.Asked, "full": &c.SkippedFull, "added": &c.Added,
	}[fate]++
}

// preview counts by level what a job would do now.
func (m *model) preview(p enrol.Policies) (levels [muster.Owner + 1]enrol.Counts) {
	members := m.members()
	for i, person := range m.people {
		if person.level == muster.Visitor {
			continue
		}
		fate := m.fate(i, p[person.level], false, members)
		count(&levels[person.level], fate)
		if fate == "added" {
			members++
		}
	}
	levels[muster.Owner].AlreadyIn++ // the requester
	return levels
}

// step handles the next page of the last job.
func (m *model) step(limit int) {
	n := len(m.jobs)
	j := m.job(n)
	who := m.page(j, limit)
	// The requester's account is the first of all, and their entry too.
	if j.pass == 1 && j.cursor == -2 {
		j.counts.AlreadyIn++
		who = m.page(j, limit-1)
		j.cursor = -1
	} else if len(who) == 0 {
		if j.pass == 1 && m.entries > j.mark {
			j.pass, j.mark2, j.cursor = 2, m.entries, -1
		} else {
			j.state = enrol.Done
		}
		return
	}
	m.makePlaces(j)
	for _, i := range who {
		person := m.people[i]
		_, before := j.questions[i]
		fate := m.fate(i, j.policies[person.level], before, m.members())
		count(&j.counts, fate)
		switch fate {
		case "added":
			person.member, person.by, person.spoke, person.place = true, n, false, m.place(person.level)
			m.added[i]++
		case "asked":
			if !before {
				j.questions[i] = &modelQuestion{level: person.level, expires: m.now().Add(j.expiry)}
				m.invited[i]++
			}
		}
		j.cursor = i
	}
}

// makePlaces makes the subgroups that a job needs.
func (m *model) makePlaces(j *modelJob) {
	fresh := len(m.subs) == 0
	for level := muster.Guest; level <= muster.Owner; level++ {
		switch {
		case j.policies[level] == enrol.Skip || m.places[level] != "":
		case fresh:
			name := map[muster.Level]string{
				muster.Guest: "Guests", muster.VIP: "VIPs", muster.Member: "Members", muster.Moderator: "Moderators", muster.Admin: "Admins", muster.Owner: "Owners",
			}[level]
			m.places[level], m.subs[name] = name, true
		default:
			m.subs["Everyone else"] = true
		}
	}
}

func (m *model) place(level muster.Level) string {
	if name := m.places[level]; name != "" {
		return name
	}
	return "Everyone else"
}

// answer gives the reason of a refusal, or "repeated", or nothing.
func (m *model) answer(i, job int, choice enrol.Choice) string {
	j, p := m.job(job), m.people[i]
	q := j.questions[i]
	switch {
	case q == nil:
		return "invitation_not_found"
	case q.answer == choice:
		return "repeated"
	case q.answer != enrol.Open:
		return "already_answered"
	case j.state != enrol.Running && j.state != enrol.Done:
		return "invitation_withdrawn"
	case !q.expires.After(m.now()):
		return "invitation_expired"
	case choice == enrol.Accept && !p.member && m.capacity > 0 && m.members() >= m.capacity:
		return "group_full"
	}
	q.answer = choice
	if choice == enrol.Accept {
		j.accepted++
		if !p.member {
			m.makePlaces(j)
			p.member, p.spoke, p.left, p.place = true, false, false, m.place(q.level)
			m.added[i]++
		}
		p.by = 0
		return ""
	}
	j.declined++
	if choice == enrol.DeclineAndLeave {
		p.level, p.left = muster.Visitor, true
		if p.member && p.by != 0 && !p.spoke {
			p.member = false
			m.removed[i]++
		}
	}
	return ""
}

// undo ends a job backwards.
func (m *model) undo(job int) string {
	j := m.job(job)
	if j.state == enrol.Running {
		return "enrolment_running"
	}
	if j.state == enrol.Undone {
		return ""
	}
	j.state = enrol.Undone
	for i, p := range m.people {
		if p.member && p.by == job && !p.spoke {
			p.member = false
			j.removed++
			m.removed[i]++
		}
	}
	return ""
}

func (m *model) cancel(job int) string {
	switch j := m.job(job); j.state {
	case enrol.Running:
		j.state = enrol.Cancelled
		return ""
	case enrol.Cancelled:
		return ""
	default:
		return "enrolment_ended"
	}
}

// leaveGroup takes a person out, by themselves or not.
func (m *model) leaveGroup(i int, themselves bool) {
	p := m.people[i]
	p.member, p.left = false, p.left || themselves
	m.removed[i]++
}

// say is the model in lines that the database is compared with.
func (m *model) say() (lines []string) {
	subs := map[string]int{}
	for name := range m.subs {
		subs[name] = 0
	}
	for i, p := range m.people {
		if p.member {
			lines = append(lines, fmt.Sprintf("member %d in %s by %d spoke %v", i, p.place, p.by, p.spoke))
			subs[p.place]++
		}
	}
	for n, j := range m.jobs {
		lines = append(lines, fmt.Sprintf("job %d %d %+v accepted %d declined %d removed %d", n+1, j.state, j.counts, j.accepted, j.declined, j.removed))
		for _, i := range slices.Sorted(maps.Keys(j.questions)) {
			lines = append(lines, fmt.Sprintf("question %d of %d at %v: %d", i, n+1, j.questions[i].level, j.questions[i].answer))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(subs)) {
		lines = append(lines, fmt.Sprintf("subgroup %s %d", name, subs[name]))
	}
	for i, p := range m.people {
		if p.level != muster.Visitor {
			lines = append(lines, fmt.Sprintf("roster %d %v %d", i, p.level, p.entry))
		}
	}
	return lines
}
