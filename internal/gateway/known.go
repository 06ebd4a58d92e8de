package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"muster"
)

// known remembers the groups of people who went a while ago, exactly, so that
// their return reads no database: after a cut everybody comes back at once. A
// session that ends leaves its groups here if nothing has changed for its account
// since it said hello; who comes back takes them. Whatever changes an account's
// memberships or invitations makes it forgotten first, before anything else takes
// notice. Only a gateway that hears of every change (no shared bus) uses it.
type known struct {
	mu sync.Mutex
	// stripes count the changes; accounts share them.
	stripes [knownStripes]uint32
	people  map[muster.AccountID]knownPerson
}

type knownPerson struct {
	groups []muster.GroupID
	at     int64 // when the session ended, in Gateway.millis
}

const (
	knownStripes = 1 << 12
	// maxKnown bounds the people, maxKnownGroups the groups of one of them.
	maxKnown       = 1 << 16
	maxKnownGroups = 64
	// knownFor is how long somebody is remembered: a cut is over by then.
	knownFor = 5 * time.Minute
)

func (k *known) stripe(account muster.AccountID) *uint32 {
	return &k.stripes[uint64(account)*0x9E3779B97F4A7C15>>52%knownStripes] //nolint:gosec // a hash
}

// begin is asked before the account's groups are looked up anywhere: it gives
// what is known of them, and what put wants to know.
func (k *known) begin(account muster.AccountID, now int64) (groups []muster.GroupID, ok bool, generation uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.people[account]
	delete(k.people, account)
	return p.groups, ok && now-p.at < knownFor.Milliseconds(), *k.stripe(account)
}

// put remembers an account's groups unless something has changed since begin.
func (k *known) put(account muster.AccountID, groups []*groupTopic, generation uint32, now int64) {
	if len(groups) > maxKnownGroups {
		return
	}
	ids := make([]muster.GroupID, len(groups))
	for i, t := range groups {
		ids[i] = t.id
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if *k.stripe(account) != generation {
		return
	}
	if k.people == nil {
		k.people = make(map[muster.AccountID]knownPerson)
	}
	if len(k.people) >= maxKnown {
		for victim := range k.people { // any one
			delete(k.people, victim)
			break
		}
	}
	k.people[account] = knownPerson{ids, now}
}

// forget is called when something has changed for these accounts.
func (k *known) forget(accounts []muster.AccountID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range accounts {
		*k.stripe(a)++
		delete(k.people, a)
	}
}

// forgetAll is called when something may have changed for everybody.
func (k *known) forgetAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.stripes {
		k.stripes[i]++
	}
	clear(k.people)
}

// rejoin begins the pushes of groups that are known to be the account's; false:
// they have changed, and have to be read.
func (s *session) rejoin(ctx context.Context, ids []muster.GroupID, epoch uint32) (bool, error) {
	if len(ids) == 0 {
		return true, nil
	}
	heads, err := s.gw.svc.Log.Heads(ctx, ids)
	if err != nil {
		return false, err
	}
	err = s.join(ctx, ids, heads, epoch)
	if errors.Is(err, errMoved) {
		return false, nil
	}
	return err == nil, err
}
