package demo

import (
	"testing"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// TestPlan holds that the demo shows what it says at every size: each fate, each
// answer and each level occurs, and everybody has exactly one fate.
func TestPlan(t *testing.T) {
	for _, people := range []int{MinPeople, 300, 500, 1000, 10_000, 100_000} {
		p := cast{people}.plan()
		total := int64(0)
		for f, n := range p.total {
			total += n
			if n == 0 && fate(f) != fatePolicy { //nolint:gosec // small
				t.Errorf("%d people: nobody is %s", people, fateNames[f])
			}
		}
		if total != int64(people) {
			t.Errorf("%d people have %d fates", people, total)
		}
		for _, l := range muster.Levels {
			if p.levels[l] == 0 {
				t.Errorf("%d people: nobody is %s", people, l)
			}
		}
		if p.levels[muster.Owner] != 1 {
			t.Errorf("%d people: %d owners", people, p.levels[muster.Owner])
		}
		if p.toldAdded == 0 || p.toldAsked == 0 || p.backAdded == 0 || p.backAsked == 0 {
			t.Errorf("%d people: too few take part: %+v", people, p)
		}
		landed := int64(0)
		for _, n := range p.subgroups {
			landed += n
		}
		// All but the owner, who made the group, land in a subgroup.
		if want := p.members + p.choices[musterv1.Choice_CHOICE_ACCEPT] - 1; landed != want {
			t.Errorf("%d people: %d land in subgroups, expected %d", people, landed, want)
		}
	}
}

// TestChecks holds that a difference is noticed.
func TestChecks(t *testing.T) {
	var c checks
	c.equal("right", 1, 1)
	c.equal("wrong", 1, 2)
	c.holds("held", true)
	c.holds("not held", false)
	made, differences := c.result()
	if made != 4 || len(differences) != 2 || differences[0] != "wrong: 1, expected 2" || differences[1] != "not held" {
		t.Errorf("%d, %q", made, differences)
	}
}
