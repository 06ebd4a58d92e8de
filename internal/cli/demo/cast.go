package demo

import (
	"fmt"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// wish is what somebody has said about being added to groups.
type wish uint8

// The wishes.
const (
	noWish   wish = iota
	wantsAsk      // direct_add = ASK
	refuses       // direct_add = REFUSE
	blocks        // blocks the owner
	isIn          // is in the group already
)

// fate is what an enrolment does with somebody.
type fate uint8

// The fates, in the order of the schema's counts.
const (
	fateIn fate = iota
	fateAdded
	fateAsked
	fatePolicy
	fateBlocked
	fateRefused
	fateCount
)

// person is one of the cast. Everything about a person follows from their
// number, so that what ought to happen can be computed beside the server.
type person struct {
	number int
	level  muster.Level
	wish   wish
	// online is connected from the beginning; returns comes online at the end.
	online, returns bool
}

// cast is everybody: number 0 is the owner.
type cast struct{ people int }

// person gives the one with a number.
func (c cast) person(i int) person {
	p := person{number: i, level: c.level(i)}
	if i == 0 {
		return p
	}
	switch {
	case i%100 == 7:
		p.wish = refuses
	case i%100 == 13:
		p.wish = wantsAsk
	case i%200 == 19:
		p.wish = blocks
	case i%200 == 29:
		p.wish = isIn
	}
	p.online = i%33 == 0
	p.returns = !p.online && i%50 == 1
	return p
}

// level spreads the levels: many members, fewer guests, few who administer.
func (c cast) level(i int) muster.Level {
	admins, moderators := 1+c.people/1000, 1+c.people*3/1000
	members, vips := c.people*60/100, c.people*15/100
	for _, step := range []struct {
		level muster.Level
		size  int
	}{{muster.Owner, 1}, {muster.Admin, admins}, {muster.Moderator, moderators}, {muster.Member, members}, {muster.VIP, vips}} {
		if i < step.size {
			return step.level
		}
		i -= step.size
	}
	return muster.Guest
}

// name is what the person signs in with.
func (p person) name() string {
	if p.number == 0 {
		return ownerName
	}
	return fmt.Sprintf("p%06d", p.number)
}

// givenNames make nicknames.
var givenNames = []string{
	"Ada", "Bo", "Chen", "Dina", "Emil", "Fang", "Gita", "Hugo", "Ines", "Jun", "Kaya", "Lin", "Mei", "Nils", "Oya", "Pia",
	"Qi", "Rosa", "Sven", "Tao", "Uma", "Vera", "Wen", "Xia", "Yuki", "Zoe",
}

// nickname is what others see.
func (p person) nickname() string {
	return fmt.Sprintf("%s %d", givenNames[p.number%len(givenNames)], p.number)
}

// policies of the demo's enrolment.
var policies = map[muster.Level]musterv1.EnrolPolicy{
	muster.Owner: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT, muster.Admin: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT,
	muster.Moderator: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT, muster.Member: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT,
	muster.VIP: musterv1.EnrolPolicy_ENROL_POLICY_ASK, muster.Guest: musterv1.EnrolPolicy_ENROL_POLICY_ASK,
}

// fate is what the enrolment has to do with the person.
func (p person) fate() fate {
	switch {
	case p.number == 0 || p.wish == isIn:
		return fateIn
	case p.wish == blocks:
		return fateBlocked
	case p.wish == refuses:
		return fateRefused
	case p.wish == wantsAsk || policies[p.level] == musterv1.EnrolPolicy_ENROL_POLICY_ASK:
		return fateAsked
	default:
		return fateAdded
	}
}

// choice is how somebody who is asked answers; unspecified: not yet.
func (p person) choice() musterv1.Choice {
	switch n := p.number / 33 * 7 % 10; {
	case n < 6:
		return musterv1.Choice_CHOICE_ACCEPT
	case n < 8:
		return musterv1.Choice_CHOICE_DECLINE
	case n == 8:
		return musterv1.Choice_CHOICE_DECLINE_AND_LEAVE
	default:
		return musterv1.Choice_CHOICE_UNSPECIFIED
	}
}

// subgroups of the demo's group, and which levels land in them; everybody else
// lands in the last one.
var subgroups = []struct {
	name   string
	levels []muster.Level
}{
	{"Crew", []muster.Level{muster.Owner, muster.Admin, muster.Moderator}},
	{"Members", []muster.Level{muster.Member}},
	{"Friends", nil},
}

// subgroup is where a level lands.
func subgroup(l muster.Level) int {
	for i, s := range subgroups {
		for _, mapped := range s.levels {
			if mapped == l {
				return i
			}
		}
	}
	return len(subgroups) - 1
}

// plan is what ought to come out, counted from the cast.
type plan struct {
	levels  map[muster.Level]int
	fates   map[muster.Level][fateCount]int64
	total   [fateCount]int64
	wishes  map[wish]int
	online  int
	choices map[musterv1.Choice]int64
	// Of those online: how many are added, asked, and in the group already.
	toldAdded, toldAsked, onlineIn int
	// Of those who return: how many are added, asked, and neither.
	backAdded, backAsked, backIn, backNothing int
	// subgroups counts who lands where at once, and by accepting.
	subgroups [3]int64
	// members counts the group after the enrolment, before the answers.
	members int64
}

// plan counts.
func (c cast) plan() plan {
	p := plan{
		levels: map[muster.Level]int{}, fates: map[muster.Level][fateCount]int64{}, wishes: map[wish]int{},
		choices: map[musterv1.Choice]int64{},
	}
	for i := range c.people {
		one := c.person(i)
		f := one.fate()
		p.levels[one.level]++
		counts := p.fates[one.level]
		counts[f]++
		p.fates[one.level] = counts
		p.total[f]++
		p.wishes[one.wish]++
		if one.online {
			p.countOnline(one, f)
		}
		if one.returns {
			p.countBack(f)
		}
		switch {
		case one.wish == isIn: // invited by hand, which goes by no level
			p.subgroups[len(subgroups)-1]++
		case f == fateAdded || f == fateAsked && one.online && one.choice() == musterv1.Choice_CHOICE_ACCEPT:
			p.subgroups[subgroup(one.level)]++
		}
	}
	p.members = p.total[fateIn] + p.total[fateAdded]
	return p
}

func (p *plan) countOnline(one person, f fate) {
	p.online++
	switch f {
	case fateIn:
		p.onlineIn++
	case fateAdded:
		p.toldAdded++
	case fateAsked:
		p.toldAsked++
		p.choices[one.choice()]++
	default:
	}
}

func (p *plan) countBack(f fate) {
	switch f {
	case fateIn:
		p.backIn++
	case fateAdded:
		p.backAdded++
	case fateAsked:
		p.backAsked++
	default:
		p.backNothing++
	}
}
