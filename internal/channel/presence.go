package channel

import (
	"cmp"
	"sync"

	"muster"
)

// presence is who has a connected client on this node.
type presence struct {
	mu      sync.RWMutex
	clients map[muster.AccountID]int32 // how many
	order   sorted[muster.AccountID]
}

func newPresence() *presence {
	return &presence{
		clients: make(map[muster.AccountID]int32),
		order:   sorted[muster.AccountID]{compare: cmp.Compare[muster.AccountID]},
	}
}

func (p *presence) add(account muster.AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[account]++; p.clients[account] == 1 {
		p.order.add(account)
	}
}

func (p *presence) remove(account muster.AccountID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[account]--; p.clients[account] <= 0 {
		delete(p.clients, account)
		p.order.remove(account)
	}
}

func (p *presence) online(account muster.AccountID) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.clients[account] > 0
}

func (p *presence) after(account muster.AccountID, limit int) []muster.AccountID {
	out := make([]muster.AccountID, 0, max(limit, 0))
	if limit <= 0 {
		return out
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	p.order.after(account, func(id muster.AccountID) bool {
		out = append(out, id)
		return len(out) < limit
	})
	return out
}

func (p *presence) count() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.order.n
}
