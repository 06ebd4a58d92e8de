package gateway

import (
	"context"
	"sync"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/enrol"
	"muster/internal/wire"
)

// newsEvery is how often at most the same thing is told again.
const newsEvery = 200 * time.Millisecond

// newsroom tells of what changes many times a second as an enrolment goes on: the
// first change at once, then the newest every now and then, the last in any case.
type newsroom struct {
	gw   *Gateway
	wake chan struct{}

	mu      sync.Mutex
	jobs    map[muster.EnrolmentID]*enrol.Enrolment // nil: told lately, nothing new since
	changed map[muster.GroupID]bool                 // false: as above
}

func (n *newsroom) init(g *Gateway) {
	n.gw, n.wake = g, make(chan struct{}, 1)
	n.jobs = make(map[muster.EnrolmentID]*enrol.Enrolment)
	n.changed = make(map[muster.GroupID]bool)
}

func (n *newsroom) progressed(job enrol.Enrolment) {
	n.mu.Lock()
	_, lately := n.jobs[job.ID]
	if lately {
		n.jobs[job.ID] = &job
	} else {
		n.jobs[job.ID] = nil
	}
	n.mu.Unlock()
	if !lately {
		n.tellJob(job)
		signal(n.wake)
	}
}

func (n *newsroom) groupChanged(id muster.GroupID) {
	n.mu.Lock()
	_, lately := n.changed[id]
	n.changed[id] = lately
	n.mu.Unlock()
	if !lately {
		n.tellChanged(id)
		signal(n.wake)
	}
}

// run tells what has gathered, until ctx ends.
func (n *newsroom) run(ctx context.Context) error {
	timer := time.NewTimer(newsEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		}
		for again := true; again; {
			timer.Reset(newsEvery)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
			again = n.flush()
		}
	}
}

// flush tells what has gathered; false: there was nothing, and nothing is kept.
func (n *newsroom) flush() bool {
	var jobs []enrol.Enrolment
	var groups []muster.GroupID
	n.mu.Lock()
	for id, job := range n.jobs {
		if job == nil {
			delete(n.jobs, id)
			continue
		}
		jobs = append(jobs, *job)
		n.jobs[id] = nil
	}
	for id, changed := range n.changed {
		if !changed {
			delete(n.changed, id)
			continue
		}
		groups = append(groups, id)
		n.changed[id] = false
	}
	n.mu.Unlock()
	for _, job := range jobs {
		n.tellJob(job)
	}
	for _, id := range groups {
		n.tellChanged(id)
	}
	return len(jobs)+len(groups) > 0
}

func (n *newsroom) tellJob(job enrol.Enrolment) {
	n.gw.toAccount(job.Requester, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_EnrolmentProgress{EnrolmentProgress: wire.Enrolment(job)}})
}

func (n *newsroom) tellChanged(id muster.GroupID) {
	n.gw.groups.tell(id, &musterv1.ServerFrame{Body: &musterv1.ServerFrame_GroupChanged{GroupChanged: &musterv1.GroupChanged{GroupId: int64(id)}}})
}
