package store

import (
	"sync"

	"muster"
)

// membership is a group's row of a member.
type membership struct {
	role      muster.Role
	spoke     bool
	subgroup  muster.SubgroupID
	joinedMS  int64
	joinedSeq muster.Seq
	enrolment muster.EnrolmentID
}

// memberCacheSize bounds the remembered memberships; when it is reached half of
// them are forgotten.
const memberCacheSize = 200_000

// memberCache remembers memberships of the groups that are in use, exactly, for
// a store that has its database to itself (SQLite). Only positive answers are
// kept. A group's generation grows after every commit that removes a member or
// changes a role or subgroup there; an entry of an older generation does not
// count, so a reader that raced with the change leaves nothing stale behind.
type memberCache struct {
	mu          sync.RWMutex
	entries     map[memberKey]cachedMembership
	generations map[muster.GroupID]uint64
}

type memberKey struct {
	group   muster.GroupID
	account muster.AccountID
}

type cachedMembership struct {
	membership
	generation uint64
}

// get finds a current entry. generation is the group's, to be given to put (and
// to the log's writer, which refuses a message whose generation has passed).
func (m *memberCache) get(group muster.GroupID, account muster.AccountID) (ms membership, generation uint64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	generation = m.generations[group]
	e, ok := m.entries[memberKey{group, account}]
	return e.membership, generation, ok && e.generation == generation
}

// generation is the group's current one.
func (m *memberCache) generation(group muster.GroupID) uint64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.generations[group]
}

// put remembers what was read from the database after generation was taken.
func (m *memberCache) put(group muster.GroupID, account muster.AccountID, ms membership, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = make(map[memberKey]cachedMembership)
	}
	if len(m.entries) >= memberCacheSize {
		n := 0
		for k := range m.entries { // in random order
			delete(m.entries, k)
			if n++; n == memberCacheSize/2 {
				break
			}
		}
	}
	m.entries[memberKey{group, account}] = cachedMembership{ms, generation}
}

// changed is called after a commit that removed or changed members of a group.
func (m *memberCache) changed(group muster.GroupID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.generations == nil {
		m.generations = make(map[muster.GroupID]uint64)
	}
	m.generations[group]++
}
