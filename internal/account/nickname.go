package account

import (
	"context"
	"sync"
	"time"

	"muster"
)

// Nicknames are asked for with every message, so they are remembered: up to
// nicknameMost of them, for nicknameFor at most. This process forgets one as
// soon as it changes here; another process of the same database is late by that
// much, which nobody's rights depend on.
const (
	nicknameMost = 100_000
	nicknameFor  = 30 * time.Second
)

// nicknames remembers what people are called.
type nicknames struct {
	mu sync.RWMutex
	m  map[muster.AccountID]knownNickname
}

type knownNickname struct {
	nickname string
	until    time.Time
}

func (n *nicknames) get(id muster.AccountID, now time.Time) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	k, ok := n.m[id]
	return k.nickname, ok && now.Before(k.until)
}

func (n *nicknames) put(id muster.AccountID, nickname string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil || len(n.m) >= nicknameMost {
		n.m = make(map[muster.AccountID]knownNickname)
	}
	n.m[id] = knownNickname{nickname, now.Add(nicknameFor)}
}

func (n *nicknames) forget(id muster.AccountID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.m, id)
}

// Nickname tells what an account is called where it writes.
func (s *Service) Nickname(ctx context.Context, id muster.AccountID) (string, error) {
	now := s.clock.Now()
	if nickname, ok := s.nicknames.get(id, now); ok {
		return nickname, nil
	}
	acct, err := s.store.Account(ctx, id)
	if err != nil {
		return "", err
	}
	s.nicknames.put(id, acct.Nickname, now)
	return acct.Nickname, nil
}
