package app

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"muster"
	"muster/internal/account"
	"muster/internal/channel"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/group"
	"muster/internal/store"
)

// Outside is what the domain tells the world, implemented by the gateway.
type Outside interface {
	account.Events
	channel.Events
	channel.Broadcaster
	group.Events
	enrol.Events
}

// Domain is the services over one store, without any network.
type Domain struct {
	Store      *store.Store
	Accounts   *account.Service
	Rooms      *channel.Rooms
	Channels   *channel.Service
	Groups     *group.Service
	Enrolments *enrol.Service
}

// NewDomain puts the services together. owner names this process in leases.
func NewDomain(cfg config.Config, s *store.Store, out Outside, clock muster.Clock, ids *muster.IDs, owner string, log *slog.Logger) *Domain {
	d := &Domain{Store: s}
	d.Accounts = account.New(account.Options{
		Store: s.Accounts(), Clock: clock, IDs: ids, Events: out, Log: log,
		Closed:          cfg.Accounts.Registration == config.RegistrationClosed,
		SessionLifetime: cfg.Accounts.SessionLifetime, PasswordMin: cfg.Accounts.PasswordMin,
		Argon2:          account.Argon2{MemoryKiB: uint32(cfg.Accounts.Argon2Memory / 1024), Time: uint32(cfg.Accounts.Argon2Time)}, //nolint:gosec // bounded by config
		HashConcurrency: cfg.Accounts.HashConcurrency,
		LoginWindow:     cfg.Accounts.LoginWindow, AttemptsPerAccount: cfg.Accounts.LoginAttemptsPerAccount,
		AttemptsPerAddress: cfg.Accounts.LoginAttemptsPerAddress, ClaimLifetime: cfg.Accounts.ClaimLifetime,
		RegistrationsPerAddress: cfg.Accounts.RegistrationsPerAddress,
		Shared:                  !cfg.Database.SQLite(),
	})
	announce := cfg.Channels.AnnouncePeopleLimit
	if announce == 0 {
		announce = -1 // every room is large; 0 would be the rooms' own default
	}
	d.Rooms = channel.NewRooms(s.Channels(), out, clock, channel.RoomLimits{
		TextBytes: cfg.Channels.MaxText, AnnounceUpTo: announce,
	})
	d.Channels = channel.New(channel.Parts{
		Store: s.Channels(), Accounts: channelAccounts{d.Accounts}, Roles: d.Accounts, Rooms: d.Rooms, Events: out, Clock: clock, IDs: ids, Log: log,
		MaxDepth: cfg.Channels.MaxDepth, TopByAdmins: cfg.Accounts.WhoMayCreateChannels == config.CreateAdmins,
	})
	d.Groups = group.New(group.Options{
		Store: s.Groups(), Log: s.Log(), Events: out, Nicknames: d.Accounts, Clock: clock, IDs: ids,
		MaxText: int(cfg.Groups.MaxText), MaxMembers: int64(cfg.Groups.MaxMembers), HistoryPage: cfg.Groups.HistoryPage,
		SyncBytes: int(cfg.Groups.SyncBytes), InvitationExpiry: cfg.Enrolment.InvitationExpiry,
	})
	d.Enrolments = enrol.New(enrol.Options{
		Ledger: s.Ledger(), Channels: enrolChannels{d.Channels}, Groups: enrolGroups{d.Groups, s.Log()},
		Events: out, Clock: clock, IDs: ids, Log: log,
		Limits: enrol.Limits{Window: cfg.Enrolment.Window, PerGroup: cfg.Enrolment.PerGroup, PerRequester: cfg.Enrolment.PerRequester},
		Expiry: cfg.Enrolment.InvitationExpiry, MaxExpiry: cfg.Enrolment.InvitationExpiryMax,
		Page: cfg.Enrolment.Page, MaxPage: cfg.Enrolment.MaxPage, Lease: cfg.Enrolment.Lease, TargetWait: cfg.Enrolment.TargetWait,
		Owner: owner,
	})
	return d
}

// Run does the services' background work until ctx ends.
func (d *Domain) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{d.Accounts.Run, d.Rooms.Run, d.Channels.Run, d.Groups.Run, d.Enrolments.Run} {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}
