package account

import (
	"sync"
	"sync/atomic"
	"time"

	"muster"
)

// The bounds of the cache of sessions. 64 shards of 1,024 entries hold what a
// large server has connected anew within minutes, in some 30 MB when full.
const (
	cacheShards  = 64
	cachePerPart = 1024
	// cacheStripes is how many generations there are; accounts share them.
	cacheStripes = 4096
)

// sharedTTL is how long an entry is believed when other processes write to the
// same database: half of the second in which a revocation takes effect.
const sharedTTL = 500 * time.Millisecond

// sessionCache remembers sessions by the hash of their tokens, exactly: once
// forget has returned, nothing that was read before is served. An entry is good
// as long as the generation of its account's stripe is the one that it was made
// in.
type sessionCache struct {
	ttl     time.Duration // 0: no end
	changes atomic.Uint64 // counts forget
	stripes [cacheStripes]atomic.Uint64
	shards  [cacheShards]struct {
		sync.RWMutex
		entries map[TokenHash]*cached
	}
}

// cached is one session and its account as they were read.
type cached struct {
	session Session
	account Account
	stripe  uint64    // generation
	read    time.Time // before the store was asked
	seen    atomic.Int64
}

func newSessionCache(shared bool) *sessionCache {
	c := &sessionCache{}
	if shared {
		c.ttl = sharedTTL
	}
	for i := range c.shards {
		c.shards[i].entries = map[TokenHash]*cached{}
	}
	return c
}

func (c *sessionCache) stripe(id muster.AccountID) *atomic.Uint64 {
	// Ids end in a counter, whose low bits alone repeat; this mixes all bits
	// (Fibonacci hashing).
	return &c.stripes[uint64(id)*0x9E3779B97F4A7C15>>52%cacheStripes] //nolint:gosec // a hash
}

// get gives the entry, nil when there is none that is still good.
func (c *sessionCache) get(hash TokenHash, now time.Time) *cached {
	shard := &c.shards[hash[0]%cacheShards]
	shard.RLock()
	e := shard.entries[hash]
	shard.RUnlock()
	if e == nil || c.stripe(e.account.ID).Load() != e.stripe {
		return nil
	}
	if age := now.Sub(e.read); c.ttl > 0 && (age < 0 || age >= c.ttl) {
		return nil
	}
	return e
}

// generation is to be read before the store is asked, and handed to put.
func (c *sessionCache) generation() uint64 { return c.changes.Load() }

// put remembers what the store said, unless something was forgotten since
// generation.
func (c *sessionCache) put(hash TokenHash, session Session, acct Account, read time.Time, generation uint64) *cached {
	e := &cached{session: session, account: acct, read: read, stripe: c.stripe(acct.ID).Load()}
	e.seen.Store(muster.Millis(session.Seen))
	// forget counts first and then moves the stripe: who sees the old count
	// after having read the stripe has read it before it was moved.
	if c.changes.Load() != generation {
		return e
	}
	shard := &c.shards[hash[0]%cacheShards]
	shard.Lock()
	defer shard.Unlock()
	if _, there := shard.entries[hash]; !there && len(shard.entries) >= cachePerPart {
		for victim := range shard.entries { // any one
			delete(shard.entries, victim)
			break
		}
	}
	shard.entries[hash] = e
	return e
}

// drop removes one entry, to free its room.
func (c *sessionCache) drop(hash TokenHash) {
	shard := &c.shards[hash[0]%cacheShards]
	shard.Lock()
	delete(shard.entries, hash)
	shard.Unlock()
}

// forget makes all entries of an account void, after its sessions or the account
// itself have changed.
func (c *sessionCache) forget(id muster.AccountID) {
	c.changes.Add(1)
	c.stripe(id).Add(1)
}

// seenSessions gathers when sessions were last used, until somebody writes it
// down.
type seenSessions struct {
	mu   sync.Mutex
	when map[muster.SessionID]time.Time
}

func (s *seenSessions) add(id muster.SessionID, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.when == nil {
		s.when = map[muster.SessionID]time.Time{}
	}
	if at.After(s.when[id]) {
		s.when[id] = at
	}
}

// take hands over what was gathered.
func (s *seenSessions) take() map[muster.SessionID]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	when := s.when
	s.when = nil
	return when
}
