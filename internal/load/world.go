//go:build linux

package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/app"
	"muster/internal/client"
)

// world is who is there: people with a session each, on the roster of a channel
// and in groups. It is made through the public API and the admin socket, as
// somebody who runs a server would do it.
type world struct {
	// Owner is the owner's session, who is in all groups and the channel's owner.
	Owner   string  `json:"owner"`
	People  int     `json:"people"`
	Roster  int     `json:"roster"`
	Channel int64   `json:"channel"`
	Groups  []int64 `json:"groups"`
	// tokens is the file of the people's sessions, a line each.
	tokens string
}

const (
	worldFile  = "world.json"
	tokensFile = "sessions"
)

// ownerName and password are those of the server's owner.
const (
	ownerName = "load-owner"
	password  = "a long pass phrase"
)

// readWorld reads a world that was made before; nil: there is none that is large
// enough.
func readWorld(dir string, need need) *world {
	b, err := os.ReadFile(filepath.Join(dir, worldFile))
	if err != nil {
		return nil
	}
	w := &world{tokens: filepath.Join(dir, tokensFile)}
	if json.Unmarshal(b, w) != nil || w.People < need.people || w.Roster < need.roster || len(w.Groups) < need.groups {
		return nil
	}
	return w
}

// makeWorld makes people, a channel with all of them on its roster, and groups
// with all of them, on a running server.
func makeWorld(ctx context.Context, set *Settings, n *node, dir, data string, need need) (*world, error) {
	w := &world{People: need.people, Roster: need.roster, tokens: filepath.Join(dir, tokensFile)}
	admin := client.NewServices(client.UnixURL, "", client.UnixHTTP(app.AdminSocket(data)))
	if n.setup != "" {
		r, err := client.NewServices(n.url, "", nil).Register(ctx, connect.NewRequest(&musterv1.RegisterRequest{
			Name: ownerName, Password: password, SetupToken: n.setup,
		}))
		if err != nil {
			return nil, err
		}
		w.Owner = r.Msg.GetToken()
	} else {
		r, err := admin.IssueSession(ctx, connect.NewRequest(&musterv1.IssueSessionRequest{Device: "load"}))
		if err != nil {
			return nil, err
		}
		w.Owner = r.Msg.GetToken()
	}
	owner := client.NewServices(n.url, w.Owner, nil)
	set.say("making %d people", need.roster)
	if err := w.roster(ctx, owner); err != nil {
		return nil, err
	}
	for i := range need.groups {
		set.say("bringing %d people into group %d of %d", need.roster, i+1, need.groups)
		g, err := newGroup(ctx, owner, fmt.Sprintf("Load %d", i))
		if err != nil {
			return nil, err
		}
		if err := enrolAll(ctx, owner, g, w.Channel); err != nil {
			return nil, err
		}
		w.Groups = append(w.Groups, g)
	}
	if err := w.sessions(ctx, set, admin); err != nil {
		return nil, err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	return w, os.WriteFile(filepath.Join(dir, worldFile), b, 0o600)
}

// importPart is how many people go into one message of an import.
const importPart = 5000

// roster makes the channel and the people on its roster.
func (w *world) roster(ctx context.Context, owner client.Services) error {
	var err error
	if w.Channel, err = newChannel(ctx, owner, "Load"); err != nil {
		return err
	}
	return importPeople(ctx, owner, w.Channel, 0, w.Roster)
}

// importPeople puts people on the roster of a channel, who are made where they
// are not there yet.
func importPeople(ctx context.Context, owner client.Services, channel int64, first, n int) error {
	im := owner.ImportRoster(ctx)
	for from := first; from < first+n; from += importPart {
		msg := &musterv1.ImportRosterRequest{CreateAccounts: true}
		if from == first {
			msg.ChannelId = channel
		}
		for i := from; i < min(from+importPart, first+n); i++ {
			msg.Lines = append(msg.Lines, &musterv1.ImportLine{Line: int64(i), Account: personName(i), Level: musterv1.Level_LEVEL_MEMBER})
		}
		if err := im.Send(msg); err != nil {
			break // the answer says why
		}
	}
	r, err := im.CloseAndReceive()
	if err == nil && r.Msg.GetBad() > 0 {
		err = fmt.Errorf("%d lines of the roster are bad: %s", r.Msg.GetBad(), r.Msg.GetBadLines()[0].GetProblem())
	}
	return err
}

func personName(i int) string { return fmt.Sprintf("load%07d", i) }

func newChannel(ctx context.Context, owner client.Services, name string) (int64, error) {
	ch, err := owner.CreateChannel(ctx, connect.NewRequest(&musterv1.CreateChannelRequest{Name: name, JoinPolicy: musterv1.JoinPolicy_JOIN_POLICY_OPEN}))
	if err != nil {
		return 0, err
	}
	return ch.Msg.GetChannel().GetId(), nil
}

func newGroup(ctx context.Context, owner client.Services, name string) (int64, error) {
	g, err := owner.CreateGroup(ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: name}))
	if err != nil {
		return 0, err
	}
	return g.Msg.GetGroup().GetId(), nil
}

// enrolAll brings the channel's roster into a group and waits until it is done.
func enrolAll(ctx context.Context, owner client.Services, group, channel int64) error {
	policies := make([]*musterv1.LevelPolicy, 0, 6)
	for l := musterv1.Level_LEVEL_GUEST; l <= musterv1.Level_LEVEL_OWNER; l++ {
		policies = append(policies, &musterv1.LevelPolicy{Level: l, Policy: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT})
	}
	e, err := owner.StartEnrolment(ctx, connect.NewRequest(&musterv1.StartEnrolmentRequest{GroupId: group, ChannelId: channel, Policies: policies}))
	if err != nil {
		return err
	}
	watch, err := owner.WatchEnrolment(ctx, connect.NewRequest(&musterv1.WatchEnrolmentRequest{EnrolmentId: e.Msg.GetEnrolment().GetId()}))
	if err != nil {
		return err
	}
	var last *musterv1.Enrolment
	for watch.Receive() {
		last = watch.Msg().GetEnrolment()
	}
	if err := watch.Err(); err != nil {
		return err
	}
	if last.GetState() != musterv1.EnrolmentState_ENROLMENT_STATE_DONE {
		return fmt.Errorf("the enrolment ended in %s: %s", last.GetState(), last.GetFailure())
	}
	return nil
}

// sessions signs everybody in through the admin socket.
func (w *world) sessions(ctx context.Context, set *Settings, admin client.Services) (err error) {
	tokens := make([]string, w.People)
	var made atomic.Int64
	if err := each(w.People, 64, func(i int) error {
		r, err := admin.IssueSession(ctx, connect.NewRequest(&musterv1.IssueSessionRequest{Name: personName(i), Device: "load"}))
		if err != nil {
			return err
		}
		tokens[i] = r.Msg.GetToken()
		if n := made.Add(1); n%500 == 0 {
			set.say("signing in: %d of %d", n, w.People)
		}
		return nil
	}); err != nil {
		return err
	}
	f, err := os.OpenFile(w.tokens, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	for _, t := range tokens {
		fmt.Fprintln(out, t)
	}
	return out.Flush()
}

// each calls fn(0) to fn(n-1), some at a time.
func each(n, atOnce int, fn func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make([]error, min(atOnce, n))
	for k := range failed {
		wg.Go(func() {
			for failed[k] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed[k] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}
