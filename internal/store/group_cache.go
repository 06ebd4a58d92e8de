package store

import (
	"context"
	"sync"

	"muster"
	"muster/internal/group"
)

// groupCacheSize bounds the remembered groups; when it is reached half of them
// are forgotten.
const groupCacheSize = 50_000

// groupCache remembers groups, exactly, for a store that has its database to
// itself (SQLite): a member who returns gets all of their groups shown, and most
// of them were shown to somebody else just now. While a transaction that changes
// a group is under way the group is not remembered (see hold), so nobody who
// has seen the commit elsewhere sees the group as it was before.
type groupCache struct {
	mu          sync.RWMutex
	entries     map[muster.GroupID]cachedGroup
	generations map[muster.GroupID]uint64
	held        map[muster.GroupID]int // by how many transactions
}

type cachedGroup struct {
	group.Group
	generation uint64
}

// get finds a current entry; generation is to be given to put.
func (m *groupCache) get(id muster.GroupID) (g group.Group, generation uint64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	generation = m.generations[id]
	e, ok := m.entries[id]
	return e.Group, generation, ok && e.generation == generation && m.held[id] == 0
}

// put remembers what was read in a transaction that began after generation was
// taken.
func (m *groupCache) put(g group.Group, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[g.ID] > 0 {
		return
	}
	if m.entries == nil {
		m.entries = make(map[muster.GroupID]cachedGroup)
	}
	if len(m.entries) >= groupCacheSize {
		n := 0
		for k := range m.entries { // in random order
			delete(m.entries, k)
			if n++; n == groupCacheSize/2 {
				break
			}
		}
	}
	m.entries[g.ID] = cachedGroup{g, generation}
}

// hold keeps one group out of the cache while a transaction changes it.
type hold struct {
	cache *groupCache
	id    muster.GroupID
}

// hold makes a hold on nothing yet; release it when the transaction has ended.
func (m *groupCache) hold() *hold { return &hold{cache: m} }

// on begins the hold, inside the transaction. A transaction that is run again
// holds the group once.
func (h *hold) on(id muster.GroupID) {
	if h.id == id {
		return
	}
	h.id = id
	m := h.cache
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held == nil {
		m.held, m.generations = make(map[muster.GroupID]int), make(map[muster.GroupID]uint64)
	}
	m.held[id]++
}

// release ends the hold and makes what was remembered before worthless.
func (h *hold) release() {
	if h.id == 0 {
		return
	}
	m := h.cache
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generations[h.id]++
	if m.held[h.id]--; m.held[h.id] == 0 {
		delete(m.held, h.id)
	}
}

// alone says that this process has the database to itself, so that what it
// remembers is exact.
func (s *Store) alone() bool { return s.db.name() == "sqlite" }

// groupsOf reads groups in the order of ids; those that do not exist are left
// out.
func (s *Store) groupsOf(ctx context.Context, ids []muster.GroupID) (map[muster.GroupID]group.Group, error) {
	out := make(map[muster.GroupID]group.Group, len(ids))
	type missing struct {
		id         muster.GroupID
		generation uint64
	}
	var lack []missing
	for _, id := range ids {
		g, generation, ok := s.groups.get(id)
		if ok && s.alone() {
			out[id] = g
		} else {
			lack = append(lack, missing{id, generation})
		}
	}
	if len(lack) == 0 {
		return out, nil
	}
	err := s.read(ctx, func(c conn) error {
		for _, l := range lack {
			found, err := one(c, "SELECT "+groupColumns+" FROM grp g WHERE g.id = $1", []any{l.id}, func(r row) { out[l.id] = scanGroup(r, 0) })
			if err != nil {
				return err
			}
			if found && s.alone() {
				s.groups.put(out[l.id], l.generation)
			}
		}
		return nil
	})
	return out, err
}
