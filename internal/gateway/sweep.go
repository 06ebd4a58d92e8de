package gateway

import (
	"context"
	"time"

	"muster"
)

// sweepPage is how many groups' heads are asked for at once.
const sweepPage = 500

// sweep looks for what the bus lost and nothing that came later has shown: a
// group's last message, and, where the bus is shared, the end of a session.
func (g *Gateway) sweep(ctx context.Context) error {
	ticker := time.NewTicker(g.opt.SweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := g.sweepGroups(ctx); err != nil && ctx.Err() == nil {
			g.opt.Log.Warn("cannot look for messages that the bus lost", "error", err)
		}
		if !g.opt.Shared || g.svc.Ended == nil {
			continue
		}
		if err := g.sweepSessions(ctx); err != nil && ctx.Err() == nil {
			g.opt.Log.Warn("cannot look for sessions that have ended", "error", err)
		}
	}
}

// sweepGroups compares what was delivered with the log. What is in the log now
// and was not delivered by the next sweep was lost, not just under way.
func (g *Gateway) sweepGroups(ctx context.Context) error {
	all := g.groups.all()
	ids := make([]muster.GroupID, 0, min(len(all), sweepPage))
	for len(all) > 0 {
		page := all[:min(len(all), sweepPage)]
		all = all[len(page):]
		ids = ids[:0]
		for _, t := range page {
			ids = append(ids, t.id)
		}
		heads, err := g.svc.Log.Heads(ctx, ids)
		if err != nil {
			return err
		}
		for i, t := range page {
			t.swept(uint64(heads[i])) //nolint:gosec // not negative
		}
	}
	return nil
}

// swept takes the log's head of this moment.
func (t *groupTopic) swept(head uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted = max(t.wanted, t.lastSweep)
	t.lastSweep = head
	t.catchUp()
}

// maxSweep is how many sessions are asked about at once.
const maxSweep = 1000

func (g *Gateway) sweepSessions(ctx context.Context) error {
	ids := g.dir.ids()
	for len(ids) > 0 {
		page := ids[:min(len(ids), maxSweep)]
		ids = ids[len(page):]
		ended, err := g.svc.Ended(ctx, page)
		if err != nil {
			return err
		}
		if len(ended) > 0 {
			g.apply(notice{Kind: noticeEnded, Sessions: ended})
		}
	}
	return nil
}
