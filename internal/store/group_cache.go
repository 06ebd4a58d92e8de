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

// has tells whether there is a current entry.
func (m *groupCache) has(id muster.GroupID) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	e, ok := m.entries[id]
	return ok && e.generation == m.generations[id] && m.held[id] == 0
}

// getAll puts the groups that have a current entry into out, and tells the places
// of the others with the generations that are to be given to put.
func (m *groupCache) getAll(ids []muster.GroupID, out []group.Group) (lack []int, generations []uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, id := range ids {
		generation := m.generations[id]
		if e, ok := m.entries[id]; ok && e.generation == generation && m.held[id] == 0 {
			out[i] = e.Group
		} else {
			lack, generations = append(lack, i), append(generations, generation)
		}
	}
	return lack, generations
}

// put remembers what was read by a statement that began after generation was
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

// groupsOf reads groups, in the order of ids. Where there is none, its ID is 0.
func (s *Store) groupsOf(ctx context.Context, ids []muster.GroupID) ([]group.Group, error) {
	out := make([]group.Group, len(ids))
	if !s.alone() {
		return out, s.readGroups(ctx, ids, func(i int, g group.Group) { out[i] = g })
	}
	lack, generations := s.groups.getAll(ids, out)
	if len(lack) == 0 {
		return out, nil
	}
	wanted := make([]muster.GroupID, len(lack))
	for k, i := range lack {
		wanted[k] = ids[i]
	}
	err := s.readGroups(ctx, wanted, func(k int, g group.Group) {
		out[lack[k]] = g
		s.groups.put(g, generations[k])
	})
	return out, err
}

// readGroups gives each group that exists to found, with its place in ids. Where
// a statement is a journey, it is one for all.
func (s *Store) readGroups(ctx context.Context, ids []muster.GroupID, found func(i int, g group.Group)) error {
	if !s.alone() {
		return s.readGroupsAtOnce(ctx, ids, found)
	}
	return s.look(ctx, func(c conn) error {
		for i, id := range ids {
			if _, err := one(c, "SELECT "+groupColumns+" FROM grp g WHERE g.id = $1", []any{id}, func(r row) { found(i, scanGroup(r, 0)) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// readGroupsAtOnce is readGroups on PostgreSQL.
func (s *Store) readGroupsAtOnce(ctx context.Context, ids []muster.GroupID, found func(i int, g group.Group)) error {
	wanted, at := make([]int64, len(ids)), make(map[int64][]int, len(ids))
	for i, id := range ids {
		wanted[i] = int64(id)
		at[wanted[i]] = append(at[wanted[i]], i)
	}
	return s.look(ctx, func(c conn) error {
		return c.query("SELECT "+groupColumns+" FROM grp g WHERE g.id = ANY($1)", []any{wanted}, func(r row) error {
			g := scanGroup(r, 0)
			for _, i := range at[int64(g.ID)] {
				found(i, g)
			}
			return nil
		})
	})
}
