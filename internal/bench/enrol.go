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
	"muster/internal/enrol"
	"muster/internal/group"
)

// EnrolOptions say what to enrol.
type EnrolOptions struct {
	Place
	Roster int
	// Rate is how many messages a second go on meanwhile, over Groups groups.
	Rate, Groups int
	// Runs is how often the roster is brought into a new group.
	Runs int
}

// EnrolFigures are what enrolling took.
type EnrolFigures struct {
	Name    string  `json:"name"`
	Machine Machine `json:"machine"`
	Store   string  `json:"store"`
	Roster  int     `json:"roster"`
	Rate    int     `json:"messages_per_second"`
	Groups  int     `json:"groups"`
	// Seconds has one entry for each run, in order.
	Seconds       []float64 `json:"seconds"`
	MedianSeconds float64   `json:"median_seconds"`
	PeoplePerSec  float64   `json:"people_per_second"`
	// SendBefore and SendDuring are the senders' waiting times for a durable
	// acknowledgement; with open loop, from when the message was due.
	SendBefore Latency   `json:"send_before"`
	SendDuring []Latency `json:"send_during"`
	// GrewMB is the greatest resident memory during a run above that before it.
	GrewMB []float64 `json:"memory_grew_mb"`
}

// Enrol measures an enrolment of a whole roster, all direct, while senders go on.
func Enrol(ctx context.Context, opt EnrolOptions) (f EnrolFigures, err error) {
	w, err := open(ctx, opt.Place)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	f = EnrolFigures{Name: "enrol", Machine: ThisMachine(), Store: w.Store.Backend(), Roster: opt.Roster, Rate: opt.Rate, Groups: opt.Groups}
	ch, err := w.roster(ctx, "r", opt.Roster)
	if err != nil {
		return f, err
	}
	senders, err := w.people(ctx, "sender", 10)
	if err != nil {
		return f, err
	}
	groups, err := w.groups(ctx, opt.Groups, senders)
	if err != nil {
		return f, err
	}
	if err := w.greet(ctx, groups, senders); err != nil {
		return f, err
	}
	if f.SendBefore, err = w.sending(ctx, groups, senders, opt.Rate, func() error { return sleep(ctx, 5*time.Second) }); err != nil {
		return f, err
	}
	for run := range opt.Runs {
		if err := w.enrolOnce(ctx, &f, ch, groups, senders, run); err != nil {
			return f, err
		}
	}
	f.MedianSeconds = median(f.Seconds)
	f.PeoplePerSec = float64(opt.Roster) / f.MedianSeconds
	return f, nil
}

func (w *world) enrolOnce(ctx context.Context, f *EnrolFigures, ch muster.ChannelID, groups []muster.GroupID, senders []muster.AccountID, run int) error {
	g, err := w.Groups.CreateGroup(ctx, w.owner, fmt.Sprintf("Target %d", run), "", 0)
	if err != nil {
		return err
	}
	resetPeak()
	before := residentKB("self", "VmRSS")
	var took time.Duration
	var e enrol.Enrolment
	during, err := w.sending(ctx, groups, senders, f.Rate, func() (err error) {
		e, took, err = w.enrol(ctx, g.ID, ch, nil)
		return err
	})
	if err != nil {
		return err
	}
	if want := int64(f.Roster); e.Counts.Added != want || e.Counts.Handled() != want+1 {
		return fmt.Errorf("added %d of %d, handled %d", e.Counts.Added, want, e.Counts.Handled())
	}
	f.Seconds = append(f.Seconds, took.Seconds())
	f.SendDuring = append(f.SendDuring, during)
	f.GrewMB = append(f.GrewMB, float64(residentKB("self", "VmHWM")-before)/1024)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sending sends rate messages a second of 256 bytes in an open loop while during
// runs, and tells how long each took from when it was due.
func (w *world) sending(ctx context.Context, groups []muster.GroupID, senders []muster.AccountID, rate int, during func() error) (Latency, error) {
	life, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var failed error
	h := histogram()
	text := strings.Repeat("x", 256)
	var wg sync.WaitGroup
	const workers = 64
	due := make(chan time.Time, 4*rate+1)
	for range workers {
		wg.Go(func() {
			for at := range due {
				g, s := groups[rand.IntN(len(groups))], senders[rand.IntN(len(senders))]
				_, err := w.Groups.Send(ctx, s, group.Draft{Group: g, ClientID: client.NewMessageID(), Text: text})
				mu.Lock()
				record(h, time.Since(at))
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	if rate > 0 {
		wg.Go(func() { pace(life, due, rate) })
	} else {
		close(due)
	}
	err := during()
	cancel()
	wg.Wait()
	return latencyOf(h), errors.Join(err, failed)
}

// pace makes messages due at a steady rate, in steps of a millisecond, and
// closes the channel when ctx ends.
func pace(ctx context.Context, due chan<- time.Time, rate int) {
	defer close(due)
	begun, sent := time.Now(), 0
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for ; sent < int(time.Since(begun).Seconds()*float64(rate)); sent++ {
			select {
			case due <- begun.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second))):
			case <-ctx.Done():
				return
			}
		}
	}
}
