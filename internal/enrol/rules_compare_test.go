package enrol_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster"
	"muster/internal/enrol"
	"muster/internal/fault"
)

// describe says what the database has of a group and a channel, in the lines of
// model.say.
func (w *world) describe(t fataler, c *fault.Census, g muster.GroupID, ch muster.ChannelID, ids []muster.AccountID, jobs []muster.EnrolmentID) (got []string) {
	number, by := map[int64]int{}, map[int64]int{}
	for i, id := range ids {
		number[int64(id)] = i
	}
	for n, id := range jobs {
		by[int64(id)] = n + 1
	}
	each := func(sql string, id int64, say func(v []int64, text string) string) {
		for _, line := range c.Lines(sql, id, int64(w.owner)) {
			numbers, text, _ := strings.Cut(line, "|~")
			var v []int64
			for _, s := range strings.Split(numbers, "|") {
				var n int64
				if _, err := fmt.Sscan(s, &n); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				v = append(v, n)
			}
			got = append(got, say(v, text))
		}
	}
	each(`SELECT m.account_id, m.enrolment_id, CASE WHEN m.spoke THEN 1 ELSE 0 END, '~', s.name FROM group_member m
		LEFT JOIN subgroup s ON s.group_id = m.group_id AND s.id = m.subgroup_id WHERE m.group_id = $1 AND m.account_id <> $2 ORDER BY m.account_id`, int64(g),
		func(v []int64, text string) string {
			return fmt.Sprintf("member %d in %s by %d spoke %v", number[v[0]], strings.TrimPrefix(text, "|"), by[v[1]], v[2] == 1)
		})
	for n, id := range jobs {
		e, err := w.Store.Ledger().Get(context.Background(), id)
		if err != nil {
			t.Fatalf("read a job: %v", err)
		}
		got = append(got, fmt.Sprintf("job %d %d %+v accepted %d declined %d removed %d", n+1, e.State, e.Counts, e.Accepted, e.Declined, e.Removed))
		for _, line := range c.Lines("SELECT account_id, level, answer FROM invitation WHERE invitation_id = $1 ORDER BY account_id", int64(id)) {
			var who, level, answer int64
			if _, err := fmt.Sscanf(line, "%d|%d|%d", &who, &level, &answer); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, fmt.Sprintf("question %d of %d at %v: %d", number[who], n+1, muster.Level(level), answer)) //nolint:gosec // a level
		}
	}
	got = append(got, c.Lines(`SELECT 'subgroup ' || name || ' ' || CAST(member_count AS varchar) FROM subgroup WHERE group_id = $1 ORDER BY name`, int64(g))...)
	each("SELECT account_id, level, entry FROM channel_roster WHERE channel_id = $1 AND account_id <> $2 ORDER BY account_id", int64(ch), func(v []int64, _ string) string {
		return fmt.Sprintf("roster %d %v %d", number[v[0]], muster.Level(v[1]), v[2]) //nolint:gosec // a level
	})
	return got
}

// wronglyTold says what differs between what people were told and the model; ""
// is nothing.
func (p *play) wronglyTold() string {
	p.told.mu.Lock()
	defer p.told.mu.Unlock()
	for i, id := range p.ids {
		if p.told.added[id] != p.m.added[i] || p.told.invited[id] != p.m.invited[i] || p.told.removed[id] != p.m.removed[i] {
			return fmt.Sprintf("person %d was told of being added %d times, invited %d, removed %d; want %d, %d, %d", i,
				p.told.added[id], p.told.invited[id], p.told.removed[id], p.m.added[i], p.m.invited[i], p.m.removed[i])
		}
	}
	return ""
}

// compare holds the database, and what people were told, against the model.
func (p *play) compare() {
	got := p.describe(p.rt, p.c, p.g, p.ch, p.ids, p.jobs)
	if want := p.m.say(); !slices.Equal(got, want) {
		p.rt.Fatalf("the program has\n%s\nand the model\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p.c.CheckGroup(p.g)
	// People are told after the commit that the database shows, so the last word
	// may be on its way.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		wrong := p.wronglyTold()
		if wrong == "" {
			break
		}
		if time.Now().After(end) {
			p.rt.Fatal(wrong)
		}
	}
	p.looks++
	for i, id := range p.ids { // what the person sees; one of them each time
		if i != p.looks%len(p.ids) {
			continue
		}
		var want []muster.InvitationID
		for n, j := range p.m.jobs {
			if q := j.questions[i]; q != nil && q.answer == enrol.Open && (j.state == enrol.Running || j.state == enrol.Done) && q.expires.After(p.now.Now()) && !p.m.people[i].member {
				want = append(want, muster.InvitationID(p.jobs[n]))
			}
		}
		list, err := p.node.ListMyInvitations(p.t.Context(), id, 0, 0)
		p.fail(err)
		var open []muster.InvitationID
		for _, in := range list {
			if in.Group == p.g {
				open = append(open, in.ID)
			}
		}
		if !slices.Equal(open, want) {
			p.rt.Fatalf("person %d sees the questions %v, want %v", i, open, want)
		}
	}
}
