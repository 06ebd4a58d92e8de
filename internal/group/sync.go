package group

import (
	"context"

	"muster"
)

// minePage is how many groups are read at once.
const minePage = 500

// messageOverhead is what a message costs in an answer beside its text, about.
const messageOverhead = 96

// Synced is one group of a Sync.
type Synced struct {
	Mine Mine
	// Messages follow the device's position without a gap.
	Messages []Message
	// More says that there are more than were brought.
	More bool
}

// ListMyGroups pages through the acting account's groups by id, with heads and
// read positions.
func (s *Service) ListMyGroups(ctx context.Context, acting muster.AccountID, after muster.GroupID, limit int) ([]Mine, error) {
	unsaved := s.reads.of(acting)
	page, err := s.opt.Store.ListMine(ctx, acting, after, pageSize(limit, minePage))
	if err != nil || len(page) == 0 {
		return nil, err
	}
	ids := make([]muster.GroupID, len(page))
	for i, m := range page {
		ids[i] = m.Group.ID
	}
	heads, err := s.opt.Log.Heads(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range page {
		page[i].Head = heads[i]
		page[i].Read = max(page[i].Read, unsaved[ids[i]])
	}
	return page, nil
}

// ListMyHeads pages through the acting account's groups by id: only which they
// are, and up to where their logs reach. That is all a new connection needs.
func (s *Service) ListMyHeads(ctx context.Context, acting muster.AccountID, after muster.GroupID, limit int) ([]muster.GroupID, []muster.Seq, error) {
	ids, heads, err := s.opt.Store.ListHeads(ctx, acting, after, pageSize(limit, minePage))
	if err != nil || heads != nil || len(ids) == 0 {
		return ids, heads, err
	}
	heads, err = s.opt.Log.Heads(ctx, ids)
	return ids, heads, err
}

// Sync brings all of the acting account's groups to yield, one after another,
// with what is new since the given positions: about maxBytes in all, the groups
// behind that only with their summary and More. A group without a position
// starts at the account's read position. The names of positions that are no
// groups of the account come back as gone.
func (s *Service) Sync(ctx context.Context, acting muster.AccountID, positions map[muster.GroupID]muster.Seq, maxBytes int, yield func(Synced) error) (gone []muster.GroupID, more bool, err error) {
	budget := pageSize(maxBytes, s.opt.SyncBytes)
	seen := 0
	for after := muster.GroupID(0); ; {
		page, err := s.ListMyGroups(ctx, acting, after, minePage)
		if err != nil {
			return nil, false, err
		}
		for _, mine := range page {
			after = mine.Group.ID
			since, named := positions[after]
			if named {
				seen++
			} else {
				since = mine.Read
			}
			got, err := s.syncOne(ctx, mine, since, &budget)
			if err != nil {
				return nil, false, err
			}
			more = more || got.More
			if err := yield(got); err != nil {
				return nil, false, err
			}
		}
		if len(page) < minePage {
			break
		}
	}
	if seen == len(positions) {
		return nil, more, nil
	}
	gone, err = s.gone(ctx, acting, positions)
	return gone, more, err
}

// syncOne reads one group's messages as far as the budget goes.
func (s *Service) syncOne(ctx context.Context, mine Mine, since muster.Seq, budget *int) (Synced, error) {
	got := Synced{Mine: mine}
	if since >= mine.Head {
		return got, nil
	}
	if *budget <= 0 {
		got.More = true
		return got, nil
	}
	msgs, err := s.opt.Log.Read(ctx, Range{Group: mine.Group.ID, After: max(since, 0), UpTo: mine.Head, MaxBytes: *budget})
	if err != nil {
		return got, err
	}
	got.Messages = msgs
	for i := range msgs {
		*budget -= len(msgs[i].Text) + messageOverhead
	}
	got.More = len(msgs) == 0 || msgs[len(msgs)-1].Seq < mine.Head
	return got, nil
}

// gone finds the named groups of which the account is no member.
func (s *Service) gone(ctx context.Context, acting muster.AccountID, positions map[muster.GroupID]muster.Seq) ([]muster.GroupID, error) {
	var gone []muster.GroupID
	for id := range positions {
		m, err := s.opt.Store.Member(ctx, id, acting)
		if err != nil {
			return nil, err
		}
		if m.Role == muster.NotMember {
			gone = append(gone, id)
		}
	}
	return gone, nil
}
