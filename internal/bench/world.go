package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"muster"
	"muster/internal/account"
	"muster/internal/app"
	"muster/internal/channel"
	"muster/internal/clock"
	"muster/internal/config"
	"muster/internal/enrol"
	"muster/internal/group"
	"muster/internal/store"
)

// Place is where a measurement keeps its data.
type Place struct {
	// Dir is a directory of its own, on the disk to be measured; empty: a
	// temporary one.
	Dir string
	// Postgres is a connection URL to an empty database; empty: SQLite.
	Postgres string
	// ServerProfile is a file for a CPU profile of the server, where a
	// measurement runs one in a process of its own.
	ServerProfile string
}

// world is the domain over a real store, without sockets.
type world struct {
	*app.Domain
	owner muster.AccountID
	ids   *muster.IDs
	stop  func() error
}

// silence is an Outside that nobody listens to.
type silence struct{}

func (silence) MembersAdded(muster.GroupID, muster.EnrolmentID, []muster.AccountID) {}
func (silence) MembersRemoved(muster.GroupID, []muster.AccountID, string)           {}
func (silence) Invited(muster.InvitationID, []muster.AccountID)                     {}
func (silence) SessionsEnded(context.Context, []muster.SessionID)                   {}
func (silence) ChannelChanged(context.Context, channel.Change)                      {}
func (silence) Seat(muster.ChannelID, channel.ClientID, uint64)                     {}
func (silence) Unseat(muster.ChannelID, channel.ClientID)                           {}
func (silence) Broadcast(channel.Message)                                           {}
func (silence) Notify(channel.Notice)                                               {}
func (silence) GroupChanged(muster.GroupID)                                         {}
func (silence) GroupDissolved(muster.GroupID)                                       {}
func (silence) ReadMoved(group.ReadMark)                                            {}
func (silence) InvitationClosed(muster.AccountID, muster.InvitationID)              {}
func (silence) EnrolmentProgress(enrol.Enrolment)                                   {}

// open starts a domain in a place.
func open(ctx context.Context, p Place) (*world, error) {
	dir, remove := p.Dir, func() error { return nil }
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "muster-bench-"); err != nil {
			return nil, err
		}
		remove = func() error { return os.RemoveAll(dir) }
	}
	cfg := config.Default()
	cfg.Enrolment.PerGroup, cfg.Enrolment.PerRequester = 1000, 1000
	c := clock.System()
	w := &world{ids: muster.NewIDs(c)}
	s, err := store.Open(ctx, store.Options{Dir: dir, URL: p.Postgres, Clock: c, IDs: w.ids})
	if err != nil {
		return nil, err
	}
	s.Log().Follow(func([]group.Message) {})
	w.Domain = app.NewDomain(cfg, s, silence{}, c, w.ids, "bench", slog.New(slog.DiscardHandler))
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 2)
	go func() { ended <- s.Run(life) }()
	go func() { ended <- w.Run(life) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, <-ended, s.Close(), remove())
	})
	if w.owner, err = w.signIn(ctx); err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// signIn makes the owner, or finds the one of a directory that is used again.
func (w *world) signIn(ctx context.Context) (muster.AccountID, error) {
	const name, password = "owner", "a long pass phrase"
	token, err := w.Accounts.EnsureSetup(ctx)
	if err != nil {
		return 0, err
	}
	if token == "" {
		in, err := w.Accounts.Login(ctx, name, password, account.Client{Device: "bench"})
		return in.Account.ID, err
	}
	in, err := w.Accounts.Register(ctx, account.Registration{Name: name, Password: password, Token: token})
	return in.Account.ID, err
}

// people makes n accounts.
func (w *world) people(ctx context.Context, prefix string, n int) ([]muster.AccountID, error) {
	ids := make([]muster.AccountID, 0, n)
	for from := 0; from < n; from += 5000 {
		list := make([]account.NewAccount, min(5000, n-from))
		for i := range list {
			list[i].Name = fmt.Sprintf("%s%d", prefix, from+i)
		}
		made, _, err := w.Accounts.EnsureAccounts(ctx, w.owner, list)
		if err != nil {
			return nil, err
		}
		for _, m := range made {
			ids = append(ids, m.ID)
		}
	}
	return ids, nil
}

// roster makes a channel with n people at the levels member, vip and guest, or
// finds it in a directory that is used again.
func (w *world) roster(ctx context.Context, prefix string, n int) (muster.ChannelID, error) {
	name := fmt.Sprintf("Roster %s of %d", prefix, n)
	mine, _, err := w.Channels.ListChannels(ctx, w.owner, channel.List{Mine: true})
	if err != nil {
		return 0, err
	}
	for _, c := range mine {
		if c.Name == name && c.RosterCount == int64(n)+1 {
			return c.ID, nil
		}
	}
	c, err := w.Channels.CreateChannel(ctx, w.owner, 0, channel.Settings{Name: name})
	if err != nil {
		return 0, err
	}
	im, err := w.Channels.Import(ctx, w.owner, c.ID, channel.ImportOptions{CreateAccounts: true})
	if err != nil {
		return 0, err
	}
	lines := make([]channel.ImportLine, 0, 5000)
	levels := []muster.Level{muster.Member, muster.Member, muster.VIP, muster.Guest}
	for i := range n {
		lines = append(lines, channel.ImportLine{Line: int64(i), Account: fmt.Sprintf("%s%d", prefix, i), Level: levels[i%len(levels)]})
		if len(lines) == cap(lines) || i == n-1 {
			if err := im.Add(ctx, lines); err != nil {
				return 0, err
			}
			lines = lines[:0]
		}
	}
	if r := im.Close(); r.Bad > 0 {
		return 0, fmt.Errorf("import: %d bad lines, the first: %s", r.Bad, r.BadLines[0].Problem)
	}
	return c.ID, nil
}

// groups makes n groups whose members are the owner and everybody in people.
func (w *world) groups(ctx context.Context, n int, people []muster.AccountID) ([]muster.GroupID, error) {
	c, err := w.Channels.CreateChannel(ctx, w.owner, 0, channel.Settings{Name: "Senders"})
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		if _, err := w.Channels.SetLevel(ctx, w.owner, c.ID, p, muster.Member); err != nil {
			return nil, err
		}
	}
	out := make([]muster.GroupID, n)
	for i := range out {
		g, err := w.Groups.CreateGroup(ctx, w.owner, fmt.Sprintf("Group %d", i), "", 0)
		if err != nil {
			return nil, err
		}
		out[i] = g.ID
		if _, _, err := w.enrol(ctx, g.ID, c.ID, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// enrol brings a roster directly into a group and waits for it.
func (w *world) enrol(ctx context.Context, g muster.GroupID, c muster.ChannelID, seen func(enrol.Enrolment)) (enrol.Enrolment, time.Duration, error) {
	r := enrol.Request{Group: g, Channel: c}
	for l := range r.Policies {
		r.Policies[l] = enrol.Direct
	}
	begun := time.Now()
	e, err := w.Enrolments.Start(ctx, w.owner, r, "")
	if err != nil {
		return e, 0, err
	}
	err = w.Enrolments.Watch(ctx, w.owner, e.ID, func(now enrol.Enrolment) error {
		e = now
		if seen != nil {
			seen(now)
		}
		return nil
	})
	if err == nil && e.State != enrol.Done {
		err = fmt.Errorf("the enrolment ended in state %d: %s", e.State, e.Failure)
	}
	return e, time.Since(begun), err
}
