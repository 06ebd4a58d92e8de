package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"muster"
	"muster/internal/client"
	"muster/internal/group"
)

// SendOptions say how to send through the store.
type SendOptions struct {
	Place
	Senders  []int // how many at once, one measurement each
	Groups   int
	Text     int // bytes
	Duration time.Duration
	Runs     int
}

// SendFigures are the durable acknowledgements of one number of senders.
type SendFigures struct {
	Name      string    `json:"name"`
	Machine   Machine   `json:"machine"`
	Store     string    `json:"store"`
	Groups    int       `json:"groups"`
	TextBytes int       `json:"text_bytes"`
	Senders   int       `json:"senders"`
	PerSecond []float64 `json:"acks_per_second"`
	Median    float64   `json:"median_acks_per_second"`
	MedianP99 float64   `json:"median_p99_ms"`
	Latency   []Latency `json:"latency"`
}

// Send measures durable sends through the domain and the store: each sender
// waits for its acknowledgement before it sends the next message, to a random
// group.
func Send(ctx context.Context, opt SendOptions, report func(SendFigures)) (err error) {
	w, err := open(ctx, opt.Place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	people, err := w.people(ctx, "sender", 4)
	if err != nil {
		return err
	}
	groups, err := w.groups(ctx, opt.Groups, people)
	if err != nil {
		return err
	}
	if err := w.greet(ctx, groups, people); err != nil {
		return err
	}
	for _, n := range opt.Senders {
		f := SendFigures{Name: "send", Machine: ThisMachine(), Store: w.Store.Backend(), Groups: opt.Groups, TextBytes: opt.Text, Senders: n}
		var p99 []float64
		for range opt.Runs {
			l, perSecond, err := w.closedLoop(ctx, groups, people, n, opt.Text, opt.Duration)
			if err != nil {
				return err
			}
			f.PerSecond, f.Latency, p99 = append(f.PerSecond, perSecond), append(f.Latency, l), append(p99, l.P99)
		}
		f.Median, f.MedianP99 = median(f.PerSecond), median(p99)
		report(f)
	}
	return nil
}

// greet lets everybody say something in every group: a member's first message
// costs a note beside it, once for ever, which is not what is measured.
func (w *world) greet(ctx context.Context, groups []muster.GroupID, people []muster.AccountID) error {
	return each(len(groups)*len(people), 256, func(i int) error {
		_, err := w.Groups.Send(ctx, people[i%len(people)], group.Draft{Group: groups[i/len(people)], ClientID: client.NewMessageID(), Text: "hello"})
		return err
	})
}

// closedLoop sends with n senders for a time.
func (w *world) closedLoop(ctx context.Context, groups []muster.GroupID, people []muster.AccountID, n, text int, d time.Duration) (Latency, float64, error) {
	all := histogram()
	body := strings.Repeat("x", text)
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range n {
		wg.Go(func() {
			h := histogram()
			var err error
			for err == nil && time.Since(begun) < d {
				at := time.Now()
				_, err = w.Groups.Send(ctx, people[i%len(people)], group.Draft{Group: groups[rand.IntN(len(groups))], ClientID: client.NewMessageID(), Text: body})
				record(h, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all.Merge(h)
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	return latencyOf(all), float64(all.TotalCount()) / time.Since(begun).Seconds(), failed
}

// OfflineFigures compare a group with many offline members with a small one.
type OfflineFigures struct {
	Name    string    `json:"name"`
	Machine Machine   `json:"machine"`
	Store   string    `json:"store"`
	Large   int       `json:"large_members"`
	Small   int       `json:"small_members"`
	LargeTo []float64 `json:"large_acks_per_second"`
	SmallTo []float64 `json:"small_acks_per_second"`
	// Ratio is the median of large by small, pair by pair.
	Ratio float64 `json:"median_ratio"`
}

// Offline measures sends into a group with many offline members beside those
// into a small group, in turns.
func Offline(ctx context.Context, p Place, large, small, pairs int, d time.Duration) (f OfflineFigures, err error) {
	w, err := open(ctx, p)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	f = OfflineFigures{Name: "offline members", Machine: ThisMachine(), Store: w.Store.Backend(), Large: large, Small: small}
	var groups []muster.GroupID
	for _, n := range []int{large, small} {
		c, err := w.roster(ctx, fmt.Sprintf("size%d-", n), n)
		if err != nil {
			return f, err
		}
		g, err := w.Groups.CreateGroup(ctx, w.owner, "Sized", "", 0)
		if err != nil {
			return f, err
		}
		if _, _, err := w.enrol(ctx, g.ID, c, nil); err != nil {
			return f, err
		}
		groups = append(groups, g.ID)
	}
	var ratios []float64
	for range pairs {
		_, l, err := w.closedLoop(ctx, groups[:1], []muster.AccountID{w.owner}, 64, 256, d)
		if err != nil {
			return f, err
		}
		_, s, err := w.closedLoop(ctx, groups[1:], []muster.AccountID{w.owner}, 64, 256, d)
		if err != nil {
			return f, err
		}
		f.LargeTo, f.SmallTo, ratios = append(f.LargeTo, l), append(f.SmallTo, s), append(ratios, l/s)
	}
	f.Ratio = median(ratios)
	return f, nil
}
