package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"connectrpc.com/connect"

	v1 "muster/gen/muster/v1"
	"muster/gen/muster/v1/musterv1connect"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/enrol"
)

// do makes a call about objects.
type do func(ctx context.Context, c *caller, o *objects) error

type (
	accountClient   = musterv1connect.AccountServiceClient
	channelClient   = musterv1connect.ChannelServiceClient
	groupClient     = musterv1connect.GroupServiceClient
	enrolmentClient = musterv1connect.EnrolmentServiceClient
	adminClient     = musterv1connect.AdminServiceClient
)

// method is a unary method of a generated client.
type method[C, Req, Res any] func(C, context.Context, *connect.Request[Req]) (*connect.Response[Res], error)

func unary[C, Req, Res any](client func(*caller) C, m method[C, Req, Res], request func(*objects) *Req) do {
	return func(ctx context.Context, c *caller, o *objects) error {
		_, err := m(client(c), ctx, connect.NewRequest(request(o)))
		return err
	}
}

func accounts[Req, Res any](m method[accountClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) accountClient { return c.accounts }, m, request)
}

func channels[Req, Res any](m method[channelClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) channelClient { return c.channels }, m, request)
}

func groups[Req, Res any](m method[groupClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) groupClient { return c.groups }, m, request)
}

func enrolments[Req, Res any](m method[enrolmentClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) enrolmentClient { return c.enrolments }, m, request)
}

func admins[Req, Res any](m method[adminClient, Req, Res], request func(*objects) *Req) do {
	return unary(func(c *caller) adminClient { return c.admin }, m, request)
}

func importRoster(ctx context.Context, c *caller, o *objects) error {
	stream := c.channels.ImportRoster(ctx)
	line := &v1.ImportLine{Line: 1, Account: "target", Level: v1.Level_LEVEL_VIP}
	if err := stream.Send(&v1.ImportRosterRequest{ChannelId: o.channel, Lines: []*v1.ImportLine{line}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err := stream.CloseAndReceive()
	return err
}

// watchEnrolment sees the first state of an enrolment that does not end.
func watchEnrolment(ctx context.Context, c *caller, o *objects) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.enrolments.WatchEnrolment(ctx, connect.NewRequest(&v1.WatchEnrolmentRequest{EnrolmentId: o.enrolment()}))
	if err != nil {
		return err
	}
	defer stream.Close()
	if stream.Receive() {
		return nil
	}
	return stream.Err()
}

func backup(ctx context.Context, c *caller, _ *objects) error {
	stream, err := c.admin.Backup(ctx, connect.NewRequest(&v1.BackupRequest{}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
	}
	return stream.Err()
}

var askGuests = []*v1.LevelPolicy{{Level: v1.Level_LEVEL_GUEST, Policy: v1.EnrolPolicy_ENROL_POLICY_ASK}}

var counter atomic.Int64

// fresh is a name that was not used before.
func fresh(kind string) string { return fmt.Sprintf("%s%d", kind, counter.Add(1)) }

// world is the people and objects of the table.
type world struct {
	n        *node
	people   []account.Account // by place in roles; 0: nobody
	callers  []*caller
	target   account.Account // guest of each channel and member of each group
	stranger account.Account // owner of what is foreign
	kept     [2]*objects     // own and foreign, until a call has changed them
}

// objects are what requests are about; o.enrolment and such make what they
// name.
type objects struct {
	account, channel, group, subgroup, target int64

	w    *world
	kind int
	who  *caller
}

// nothing is an id that is nobody's.
const nothing = 4711

func newWorld(n *node) *world {
	w := &world{n: n}
	make := func(name string, role account.ServerRole) account.Account {
		c := n.person(name, role)
		acct, err := n.domain.Accounts.GetAccount(n.t.Context(), c.account, 0)
		w.must(err)
		return acct
	}
	for _, name := range roles {
		switch name {
		case "anon":
			w.people, w.callers = append(w.people, account.Account{}), append(w.callers, n.anonymous())
			continue
		case "server":
			w.people = append(w.people, make(name, account.ServerAdmin))
		default:
			w.people = append(w.people, make(name, account.ServerUser))
		}
		w.callers = append(w.callers, n.session(w.people[len(w.people)-1]))
	}
	w.target, w.stranger = make("target", account.ServerUser), make("stranger", account.ServerUser)
	return w
}

func (w *world) must(err error) {
	w.n.t.Helper()
	if err != nil {
		w.n.t.Fatal(err)
	}
}

// person is who has a role.
func (w *world) person(role string) muster.AccountID {
	for i, r := range roles {
		if r == role {
			return w.people[i].ID
		}
	}
	w.n.t.Fatalf("nobody is %q", role)
	return 0
}

// objects gives those of a kind for a caller; made anew after a call that
// changed something.
func (w *world) objects(kind int, who *caller) *objects {
	o := objects{account: nothing, channel: nothing, group: nothing, subgroup: nothing, target: int64(w.target.ID)}
	if kind != missing {
		if w.kept[kind] == nil {
			w.kept[kind] = w.makeObjects(kind)
		}
		o = *w.kept[kind]
	}
	if kind == own {
		o.account = int64(who.account)
	}
	o.w, o.kind, o.who = w, kind, who
	return &o
}

// used throws away what a call that went well may have changed, and renews the
// session of who made it.
func (w *world) used(kind, role int) {
	if kind != missing {
		w.kept[kind] = nil
	}
	if role > 0 {
		w.callers[role] = w.n.session(w.people[role])
	}
}

// makeObjects makes a channel and a group with everybody in their place.
func (w *world) makeObjects(kind int) *objects {
	ctx, d := w.n.t.Context(), w.n.domain
	owner, policy := w.person("owner"), channel.JoinOpen
	levels := map[muster.AccountID]muster.Level{
		w.person("guest"): muster.Guest, w.person("memb"): muster.Member, w.person("moder"): muster.Moderator,
		w.person("admin"): muster.Admin, w.target.ID: muster.Guest,
	}
	members := []muster.AccountID{w.person("memb"), w.person("moder"), w.person("admin"), w.target.ID}
	if kind == foreign {
		owner, policy = w.stranger.ID, channel.JoinRoster
		levels = map[muster.AccountID]muster.Level{w.target.ID: muster.Guest}
		members = []muster.AccountID{w.target.ID}
	}
	c, err := d.Channels.CreateChannel(ctx, owner, 0, channel.Settings{Name: "room", JoinPolicy: policy})
	w.must(err)
	for id, level := range levels {
		_, err := d.Channels.SetLevel(ctx, owner, c.ID, id, level)
		w.must(err)
	}
	g, err := d.Groups.CreateGroup(ctx, owner, "group", "", 0)
	w.must(err)
	asked, err := d.Groups.Invite(ctx, owner, g.ID, members, "")
	w.must(err)
	for _, id := range members {
		_, err := d.Enrolments.AnswerInvitation(ctx, id, asked.Invitation, enrol.Accept)
		w.must(err)
	}
	if kind == own {
		w.must(d.Groups.SetRole(ctx, owner, g.ID, w.person("admin"), muster.RoleAdmin))
	}
	sub, err := d.Groups.CreateSubgroup(ctx, owner, g.ID, "part")
	w.must(err)
	w.must(d.Groups.Note(ctx, g.ID, "first", 2, 1))
	return &objects{
		account: int64(w.target.ID), channel: int64(c.ID), group: int64(g.ID), subgroup: int64(sub.ID), target: int64(w.target.ID),
	}
}

// enrolment starts one, which nobody works on.
func (o *objects) enrolment() int64 {
	if o.kind == missing {
		return nothing
	}
	owner := o.w.person("owner")
	if o.kind == foreign {
		owner = o.w.stranger.ID
	}
	var policies enrol.Policies
	policies[muster.Guest] = enrol.Ask
	e, err := o.w.n.domain.Enrolments.Start(o.w.n.t.Context(), owner, enrol.Request{
		Group: muster.GroupID(o.group), Channel: muster.ChannelID(o.channel), Policies: policies,
	}, fmt.Sprint("of group ", o.group))
	o.w.must(err)
	return int64(e.ID)
}

// invitation asks the caller, or somebody else, into a group of the stranger's.
func (o *objects) invitation() int64 {
	ctx, d := o.w.n.t.Context(), o.w.n.domain
	whom := o.who.account
	switch {
	case o.kind == missing:
		return nothing
	case o.kind == foreign || whom == 0:
		whom = o.w.target.ID
	}
	g, err := d.Groups.CreateGroup(ctx, o.w.stranger.ID, "others", "", 0)
	o.w.must(err)
	asked, err := d.Groups.Invite(ctx, o.w.stranger.ID, g.ID, []muster.AccountID{whom}, "")
	o.w.must(err)
	return int64(asked.Invitation)
}

// session is another one of the caller's, or somebody else's.
func (o *objects) session() int64 {
	switch {
	case o.kind == missing:
		return nothing
	case o.kind == foreign || o.who.account == 0:
		return int64(o.w.n.session(o.w.target).session)
	}
	acct, err := o.w.n.domain.Accounts.GetAccount(o.w.n.t.Context(), o.who.account, 0)
	o.w.must(err)
	return int64(o.w.n.session(acct).session)
}
