package app

import (
	"context"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/enrol"
	"muster/internal/group"
)

// channelAccounts lets channels find and make accounts by name.
type channelAccounts struct{ accounts *account.Service }

// ResolveNames implements channel.Accounts.
func (a channelAccounts) ResolveNames(ctx context.Context, names []string) ([]channel.KnownAccount, error) {
	found, err := a.accounts.ResolveNames(ctx, names)
	return known(found), err
}

// EnsureAccounts implements channel.Accounts.
func (a channelAccounts) EnsureAccounts(ctx context.Context, acting muster.AccountID, list []channel.NewAccount) ([]channel.KnownAccount, int64, error) {
	fresh := make([]account.NewAccount, len(list))
	for i, n := range list {
		fresh[i] = account.NewAccount(n)
	}
	all, made, err := a.accounts.EnsureAccounts(ctx, acting, fresh)
	return known(all), int64(made), err
}

func known(found []account.Named) []channel.KnownAccount {
	out := make([]channel.KnownAccount, len(found))
	for i, n := range found {
		out[i] = channel.KnownAccount(n)
	}
	return out
}

// enrolChannels is the channels' side of an enrolment, in this process.
type enrolChannels struct{ *channel.Service }

// Describe implements enrol.Channels.
func (c enrolChannels) Describe(ctx context.Context, id muster.ChannelID) (enrol.ChannelState, error) {
	view, err := c.GetChannel(ctx, 0, id)
	if err != nil {
		return enrol.ChannelState{}, err
	}
	newest, people, err := c.Mark(ctx, id)
	return enrol.ChannelState{Name: view.Name, NewestEntry: newest, People: people}, err
}

// RosterPage implements enrol.Channels.
func (c enrolChannels) RosterPage(ctx context.Context, id muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]enrol.Person, error) {
	page, err := c.Service.RosterPage(ctx, id, after, limit, fromEntry, toEntry)
	if err != nil {
		return nil, err
	}
	people := make([]enrol.Person, len(page))
	for i, p := range page {
		people[i] = enrol.Person(p)
	}
	return people, nil
}

// LeaveRoster implements enrol.Channels: who is not on the roster has left it.
func (c enrolChannels) LeaveRoster(ctx context.Context, id muster.ChannelID, person muster.AccountID) error {
	err := c.Service.LeaveRoster(ctx, person, id)
	if err != nil && muster.CodeOf(err) == muster.CodeNotFound {
		return nil
	}
	return err
}

// enrolGroups is the groups' side of an enrolment, in this process.
type enrolGroups struct {
	groups *group.Service
	log    group.Log
}

// CheckAdministrator implements enrol.Groups.
func (g enrolGroups) CheckAdministrator(ctx context.Context, id muster.GroupID, account muster.AccountID) error {
	return g.groups.CheckAdministrator(ctx, id, account)
}

// Head implements enrol.Groups.
func (g enrolGroups) Head(ctx context.Context, id muster.GroupID) (muster.Seq, error) {
	return g.log.Head(ctx, id)
}

// NoteJoined implements enrol.Groups. The enrolment's id makes the client
// message id, so the note stands once.
func (g enrolGroups) NoteJoined(ctx context.Context, id muster.GroupID, enrolment muster.EnrolmentID, count int64) error {
	return g.groups.Note(ctx, id, "enrolment-"+enrolment.String(), group.KindJoined, count)
}

// SendWait implements enrol.Groups.
func (g enrolGroups) SendWait() time.Duration { return g.log.SendWait() }
