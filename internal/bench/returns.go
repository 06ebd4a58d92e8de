package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster"
	"muster/internal/channel"
	"muster/internal/client"
	"muster/internal/group"
)

// ReturnFigures are members who come back and read, through the store.
type ReturnFigures struct {
	Name      string    `json:"name"`
	Machine   Machine   `json:"machine"`
	Store     string    `json:"store"`
	Members   int       `json:"members"`
	Groups    int       `json:"groups_each"`
	Tails     int       `json:"groups_read_each"`
	Messages  int       `json:"messages_of_each"`
	Readers   int       `json:"readers"`
	PerSecond []float64 `json:"members_per_second"`
	Median    float64   `json:"median_members_per_second"`
}

// Returns measures members with many groups who come back: the summaries of all
// of their groups and the newest messages of some, through the domain and the
// store.
func Returns(ctx context.Context, p Place, members, groupsEach, tails, messages, runs int) (f ReturnFigures, err error) {
	w, err := open(ctx, p)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	const readers = 2
	f = ReturnFigures{
		Name: "return through the store", Machine: ThisMachine(), Store: w.Store.Backend(), Members: members, Groups: groupsEach,
		Tails: tails, Messages: messages, Readers: readers,
	}
	people, err := w.people(ctx, "back", members)
	if err != nil {
		return f, err
	}
	// 20 times as many groups as each has, so that not everybody reads the same.
	all, err := w.overlapping(ctx, people, groupsEach)
	if err != nil {
		return f, err
	}
	if err := w.fill(ctx, all, 2*messages); err != nil {
		return f, err
	}
	for range runs {
		begun := time.Now()
		var next atomic.Int64
		var wg sync.WaitGroup
		failed := make([]error, readers)
		for r := range readers {
			wg.Go(func() {
				for failed[r] == nil {
					i := int(next.Add(1)) - 1
					if i >= len(people) {
						return
					}
					failed[r] = w.comeBack(ctx, people[i], groupsEach, tails, messages)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(failed...); err != nil {
			return f, err
		}
		f.PerSecond = append(f.PerSecond, float64(members)/time.Since(begun).Seconds())
	}
	f.Median = median(f.PerSecond)
	return f, nil
}

// overlapping puts everybody into groupsEach groups: twenty channels hold a
// twentieth of the people each, and each is enrolled into groups of its own.
func (w *world) overlapping(ctx context.Context, people []muster.AccountID, groupsEach int) ([]muster.GroupID, error) {
	const parts = 20
	var all []muster.GroupID
	for part := range parts {
		c, err := w.Channels.CreateChannel(ctx, w.owner, 0, channel.Settings{Name: fmt.Sprintf("Part %d", part)})
		if err != nil {
			return nil, err
		}
		im, err := w.Channels.Import(ctx, w.owner, c.ID, channel.ImportOptions{})
		if err != nil {
			return nil, err
		}
		var lines []channel.ImportLine
		for i := part; i < len(people); i += parts {
			lines = append(lines, channel.ImportLine{Line: int64(i), Account: fmt.Sprintf("back%d", i), Level: muster.Member})
		}
		if err := im.Add(ctx, lines); err != nil {
			return nil, err
		}
		for range groupsEach {
			g, err := w.Groups.CreateGroup(ctx, w.owner, "Shared", "", 0)
			if err != nil {
				return nil, err
			}
			if _, _, err := w.enrol(ctx, g.ID, c.ID, nil); err != nil {
				return nil, err
			}
			all = append(all, g.ID)
		}
	}
	return all, nil
}

// fill sends n messages of 256 bytes into each group.
func (w *world) fill(ctx context.Context, groups []muster.GroupID, n int) error {
	text := strings.Repeat("x", 256)
	var wg sync.WaitGroup
	failed := make([]error, 256)
	var next atomic.Int64
	for k := range failed {
		wg.Go(func() {
			for failed[k] == nil {
				i := int(next.Add(1)) - 1
				if i >= n*len(groups) {
					return
				}
				_, failed[k] = w.Groups.Send(ctx, w.owner, group.Draft{Group: groups[i%len(groups)], ClientID: client.NewMessageID(), Text: text})
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (w *world) comeBack(ctx context.Context, who muster.AccountID, groupsEach, tails, messages int) error {
	mine, err := w.Groups.ListMyGroups(ctx, who, 0, groupsEach)
	if err != nil {
		return err
	}
	if len(mine) != groupsEach {
		return fmt.Errorf("%d groups instead of %d", len(mine), groupsEach)
	}
	for k := range tails {
		h, err := w.Groups.ListMessages(ctx, who, mine[(int(who)+k*7)%len(mine)].Group.ID, nil, nil, messages)
		if err != nil {
			return err
		}
		if len(h.Messages) != messages {
			return fmt.Errorf("%d messages instead of %d", len(h.Messages), messages)
		}
	}
	return nil
}
