package gateway

import (
	"sync"

	"muster"
)

// directory is who is connected here: sessions of accounts, by account, by
// session id and by connection.
type directory struct {
	mu      sync.RWMutex
	clients map[uint64]*session
	// accounts and sessions have the first connection of each; the others hang
	// on it (nextOfAccount, nextOfSession). Almost always there is only one.
	accounts map[muster.AccountID]*session
	sessions map[muster.SessionID]*session
	// ended and endedBefore are sessions that ended lately. One that ends while
	// its hello is under way is found here.
	ended, endedBefore map[muster.SessionID]struct{}
}

func (d *directory) init() {
	d.clients = make(map[uint64]*session)
	d.accounts = make(map[muster.AccountID]*session)
	d.sessions = make(map[muster.SessionID]*session)
	d.ended = make(map[muster.SessionID]struct{})
	d.endedBefore = make(map[muster.SessionID]struct{})
}

// add puts a session in whose hello was accepted. The ending is why it cannot
// stay, if so.
func (d *directory) add(s *session, perAccount int) (ending, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, now := d.ended[s.id]
	_, before := d.endedBefore[s.id]
	if now || before {
		return closeSessionEnded, false
	}
	devices := 0
	for other := d.accounts[s.account]; other != nil; other = other.nextOfAccount {
		devices++
	}
	if devices >= perAccount {
		return closeTooMany, false
	}
	d.clients[s.conn.ID()] = s
	s.nextOfAccount, d.accounts[s.account] = d.accounts[s.account], s
	s.nextOfSession, d.sessions[s.id] = d.sessions[s.id], s
	return ending{}, true
}

// remove takes a session out; false: it was not in.
func (d *directory) remove(s *session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.clients[s.conn.ID()] != s {
		return false
	}
	delete(d.clients, s.conn.ID())
	cutFrom(d.accounts, s.account, s, func(s *session) **session { return &s.nextOfAccount })
	cutFrom(d.sessions, s.id, s, func(s *session) **session { return &s.nextOfSession })
	return true
}

// cutFrom takes s out of the chain under a key.
func cutFrom[K comparable](m map[K]*session, key K, s *session, next func(*session) **session) {
	first := m[key]
	if first != s {
		for at := first; at != nil; at = *next(at) {
			if *next(at) == s {
				*next(at) = *next(s)
				break
			}
		}
	} else if first = *next(s); first == nil {
		delete(m, key)
	} else {
		m[key] = first
	}
	*next(s) = nil
}

// client finds a connection's session; nil: it is not there.
func (d *directory) client(id uint64) *session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.clients[id]
}

// of lists an account's sessions.
func (d *directory) of(account muster.AccountID) (list []*session) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for s := d.accounts[account]; s != nil; s = s.nextOfAccount {
		list = append(list, s)
	}
	return list
}

// has says whether an account has a session here.
func (d *directory) has(account muster.AccountID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.accounts[account] != nil
}

// online keeps those of the accounts that have a session here.
func (d *directory) online(accounts []muster.AccountID) []muster.AccountID {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.accounts) == 0 {
		return nil
	}
	var here []muster.AccountID
	for _, a := range accounts {
		if d.accounts[a] != nil {
			here = append(here, a)
		}
	}
	return here
}

// maxEnded bounds each generation of remembered endings; then the older one is
// forgotten. It is far more than end while one hello is under way.
const maxEnded = 20_000

// end notes that sessions are over and gives those that are connected.
func (d *directory) end(ids []muster.SessionID) []*session {
	d.mu.Lock()
	defer d.mu.Unlock()
	var here []*session
	for _, id := range ids {
		for s := d.sessions[id]; s != nil; s = s.nextOfSession {
			here = append(here, s)
		}
		if len(d.ended) >= maxEnded {
			d.ended, d.endedBefore = make(map[muster.SessionID]struct{}), d.ended
		}
		d.ended[id] = struct{}{}
	}
	return here
}

// ids lists the sessions that are connected.
func (d *directory) ids() []muster.SessionID {
	d.mu.RLock()
	defer d.mu.RUnlock()
	ids := make([]muster.SessionID, 0, len(d.sessions))
	for id := range d.sessions {
		ids = append(ids, id)
	}
	return ids
}

// all lists every session.
func (d *directory) all() []*session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]*session, 0, len(d.clients))
	for _, s := range d.clients {
		all = append(all, s)
	}
	return all
}

func (d *directory) count() (clients, people int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.clients), len(d.accounts)
}
