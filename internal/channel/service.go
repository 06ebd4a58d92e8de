package channel

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"muster"
)

// Service answers the calls about channels, one method for each call of the
// schema's ChannelService, with the call's name. The acting account is always
// the first argument after the context. Safe for concurrent use.
type Service struct {
	store       Store
	accounts    Accounts
	roles       ServerRoles
	rooms       *Rooms
	online      Online
	events      Events
	clock       muster.Clock
	ids         *muster.IDs
	log         *slog.Logger
	purge       chan struct{}
	maxDepth    int
	topByAdmins bool
}

// Parts are what a Service works with.
type Parts struct {
	Store    Store
	Accounts Accounts
	Roles    ServerRoles
	// Rooms are this node's; they follow what the service changes.
	Rooms *Rooms
	// Online is who is connected anywhere; nil: who is connected to Rooms.
	Online Online
	// Events tells other nodes; nil: there are none.
	Events Events
	Clock  muster.Clock
	IDs    *muster.IDs
	Log    *slog.Logger
	// MaxDepth is how many channels may stand above one another; 0: MaxDepth.
	MaxDepth int
	// TopByAdmins leaves channels at the top of the tree to administrators of
	// the server.
	TopByAdmins bool
}

// New makes a Service. Run it to have deleted channels removed for good.
func New(p Parts) *Service {
	if p.Online == nil {
		p.Online = p.Rooms
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.MaxDepth <= 0 {
		p.MaxDepth = MaxDepth
	}
	return &Service{
		maxDepth: p.MaxDepth, topByAdmins: p.TopByAdmins,
		store: p.Store, accounts: p.Accounts, roles: p.Roles, rooms: p.Rooms, online: p.Online, events: p.Events,
		clock: p.Clock, ids: p.IDs, log: p.Log, purge: make(chan struct{}, 1),
	}
}

// How long Run pauses between two rounds of a purge, so that other writers get
// their turn, and before it tries again after an error.
const (
	purgePause = 5 * time.Millisecond
	purgeRetry = 10 * time.Second
)

// Run removes what deleted channels left behind, in small steps, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		more, err := s.store.PurgeDeleted(ctx)
		pause := time.Duration(1<<63 - 1)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.Error("remove what a deleted channel left behind", "err", err)
			pause = purgeRetry
		case more:
			pause = purgePause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.purge:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// serverAdmin says whether the acting account administers the server.
func (s *Service) serverAdmin(ctx context.Context, acting muster.AccountID) (bool, error) {
	if s.roles == nil {
		return false, nil
	}
	return s.roles.AdministersServer(ctx, acting)
}

// act does one act under its rule. Only when the rule refuses it for the level
// on the roster, the account's role on the server is looked up and tried.
func (s *Service) act(ctx context.Context, acting, target muster.AccountID, channel muster.ChannelID, rule func(actor, Standing) (Effect, error)) (Outcome, error) {
	act := Act{Channel: channel, Actor: acting, Target: target, Now: s.clock.Now()}
	try := func(server bool) (Outcome, error) {
		return s.store.Act(ctx, act, func(st Standing) (Effect, error) {
			return rule(actor{level: st.Actor.Level, server: server}, st)
		})
	}
	o, refused := try(false)
	if refused == nil || muster.CodeOf(refused) != muster.CodePermissionDenied {
		return o, refused
	}
	if server, err := s.serverAdmin(ctx, acting); err != nil {
		return Outcome{}, err
	} else if !server {
		return Outcome{}, refused
	}
	return try(true)
}

// tell makes this node's rooms follow a change, and the other nodes'.
func (s *Service) tell(ctx context.Context, ch Change) {
	s.rooms.Apply(ch)
	if s.events != nil {
		s.events.ChannelChanged(ctx, ch)
	}
}

// tellPerson tells what became of the target of an act.
func (s *Service) tellPerson(ctx context.Context, o Outcome, out string) {
	s.tell(ctx, Change{Channel: o.Channel.ID, Version: o.Channel.Version, People: []PersonChange{
		{Account: o.Target.Account, Nickname: o.Target.Nickname, Level: o.Target.Level, Out: out},
	}})
}

// view is a channel with what only the rooms know.
func (s *Service) view(c Channel, level muster.Level) View {
	people, _ := s.rooms.People(c.ID)
	return View{Channel: c, Present: int64(people), YourLevel: level}
}

// check gives the settings in their stored form.
func (st Settings) check() (Settings, error) {
	var err error
	if st.Name, err = muster.ParseTitle("name", st.Name, muster.MaxTitle); err != nil {
		return st, err
	}
	if st.About != "" {
		if st.About, err = muster.ParseText("about", st.About, 4*muster.MaxAbout); err != nil {
			return st, err
		}
	}
	switch {
	case !st.JoinPolicy.Valid():
		return st, muster.Invalid("join_policy", "use open, visit or roster")
	case st.SpeakLevel > muster.Owner:
		return st, muster.Invalid("speak_level", "is not a level")
	case st.SlowMode < 0 || st.SlowMode > MaxSlowMode:
		return st, muster.Invalid("slow_mode_ms", "is between 0 and %s", MaxSlowMode)
	}
	st.SlowMode = st.SlowMode.Truncate(time.Millisecond)
	return st, nil
}

// CreateChannel makes a channel whose owner is the acting account. Under a
// parent, one has to administer the parent, and the tree has at most MaxDepth
// channels above one another. Without a join policy it is open.
func (s *Service) CreateChannel(ctx context.Context, acting muster.AccountID, parent muster.ChannelID, settings Settings) (View, error) {
	if settings.JoinPolicy == 0 {
		settings.JoinPolicy = JoinOpen
	}
	settings, err := settings.check()
	if err != nil {
		return View{}, err
	}
	server, err := s.serverAdmin(ctx, acting)
	if err != nil {
		return View{}, err
	}
	if parent == 0 && s.topByAdmins && !server {
		return View{}, muster.Denied("not_server_admin", "only administrators of this server make channels at the top: ask one, or make yours under a channel that you administer")
	}
	c := Channel{ID: muster.ChannelID(s.ids.Next()), Parent: parent, Settings: settings, Created: s.clock.Now()}
	c, err = s.store.CreateChannel(ctx, c, acting, func(up Standing) error {
		if err := checkAdminister(actor{level: up.Actor.Level, server: server}); err != nil {
			return err
		}
		if up.Channel.Depth+1 >= s.maxDepth {
			return muster.Conflict("too_deep", "the tree of channels is at most %d deep", s.maxDepth)
		}
		return nil
	})
	if err != nil {
		return View{}, err
	}
	return s.view(c, muster.Owner), nil
}

// GetChannel shows one channel; everybody may see that it is there.
func (s *Service) GetChannel(ctx context.Context, acting muster.AccountID, channel muster.ChannelID) (View, error) {
	st, err := s.store.Standing(ctx, channel, acting, acting, s.clock.Now())
	if err != nil {
		return View{}, err
	}
	return s.view(st.Channel, st.Actor.Level), nil
}

// Update has the settings to change; nil: as they are.
type Update struct {
	Name       *string
	About      *string
	JoinPolicy *JoinPolicy
	SpeakLevel *muster.Level
	SlowMode   *time.Duration
}

// onto lays the update over settings.
func (u Update) onto(st Settings) Settings {
	set(&st.Name, u.Name)
	set(&st.About, u.About)
	set(&st.JoinPolicy, u.JoinPolicy)
	set(&st.SpeakLevel, u.SpeakLevel)
	set(&st.SlowMode, u.SlowMode)
	return st
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// UpdateChannel changes settings; owners and admins only. Whoever may not be in
// the room under the new join policy is put out.
func (s *Service) UpdateChannel(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, u Update) (View, error) {
	o, err := s.act(ctx, acting, acting, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkAdminister(a); err != nil {
			return Effect{}, err
		}
		settings, err := u.onto(st.Channel.Settings).check()
		if err != nil || settings == st.Channel.Settings {
			return Effect{}, err
		}
		return Effect{Settings: &settings, Action: "channel.update", Detail: settings.Summary()}, nil
	})
	if err != nil {
		return View{}, err
	}
	if o.Changed {
		s.tell(ctx, Change{Channel: channel, Version: o.Channel.Version, Settings: &o.Channel.Settings})
	}
	return s.view(o.Channel, o.Before.Actor.Level), nil
}

// Summary tells the settings in a line, for the audit log.
func (st Settings) Summary() string {
	return "name=" + st.Name + " join_policy=" + st.JoinPolicy.String() + " speak_level=" + st.SpeakLevel.String() + " slow_mode=" + st.SlowMode.String()
}

// DeleteChannel removes a channel that has no channels below it; its owners
// only. Everybody is put out of the room at once; the rows of a large roster go
// in the background.
func (s *Service) DeleteChannel(ctx context.Context, acting muster.AccountID, channel muster.ChannelID) error {
	o, err := s.act(ctx, acting, acting, channel, func(a actor, st Standing) (Effect, error) {
		if err := checkDelete(a, st.HasChildren); err != nil {
			return Effect{}, err
		}
		return Effect{Delete: true, Action: "channel.delete", Detail: st.Channel.Name}, nil
	})
	if err != nil {
		return err
	}
	s.tell(ctx, Change{Channel: channel, Version: o.Channel.Version, Deleted: true})
	select {
	case s.purge <- struct{}{}:
	default:
	}
	return nil
}

// List asks for a page of channels.
type List struct {
	Parent    muster.ChannelID // 0: the top of the tree
	Mine      bool             // only those on whose roster the acting account is
	PageSize  int              // 0: 100; at most MaxPage
	PageToken string           // from the page before
}

// ListChannels lists the channels below a parent by name. A page may be short,
// even empty, although another follows: the token says so.
func (s *Service) ListChannels(ctx context.Context, acting muster.AccountID, l List) (page []View, next string, err error) {
	q := ChannelsQuery{Parent: l.Parent, Viewer: acting, Mine: l.Mine, Limit: pageSize(l.PageSize)}
	var id int64
	key, ok, err := parseToken("c", l.PageToken, &id)
	if err != nil {
		return nil, "", err
	}
	if ok {
		q.After = &ChannelsCursor{Key: key, Channel: muster.ChannelID(id)}
	}
	page, after, err := s.store.Channels(ctx, q)
	if err != nil {
		return nil, "", err
	}
	for i := range page {
		people, _ := s.rooms.People(page[i].ID)
		page[i].Present = int64(people)
	}
	if after != nil {
		next = token("c", after.Key, int64(after.Channel))
	}
	return page, next, nil
}

// ListPresent asks for a page of who is in the room of a channel: by level
// (greatest first), then nickname. Whoever may enter the channel may ask.
func (s *Service) ListPresent(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, size int, pageToken string) (page []Present, next string, total int, err error) {
	if err := s.checkRead(ctx, acting, channel); err != nil {
		return nil, "", 0, err
	}
	return s.rooms.present(channel, false, size, pageToken)
}

// checkRead lets those see a roster and a room who may enter the channel, and
// server administrators.
func (s *Service) checkRead(ctx context.Context, acting muster.AccountID, channel muster.ChannelID) error {
	st, err := s.store.Standing(ctx, channel, acting, acting, s.clock.Now())
	if err != nil {
		return err
	}
	refused := checkEnter(st.Channel.JoinPolicy, st.Actor)
	if refused == nil {
		return nil
	}
	if server, err := s.serverAdmin(ctx, acting); err != nil || server {
		return err
	}
	return refused
}

// CheckAdministrator is nil when the account is an owner or an admin of the
// channel: permission_denied or not_found otherwise. Administering the server is
// not enough: this is what enrolment asks before it reads a roster.
func (s *Service) CheckAdministrator(ctx context.Context, channel muster.ChannelID, account muster.AccountID) error {
	st, err := s.store.Standing(ctx, channel, account, account, s.clock.Now())
	if err != nil {
		return err
	}
	return checkAdminister(actor{level: st.Actor.Level})
}

// Mark gives the number of the roster's newest entry (entries are numbered
// 1, 2, 3 as people join) and how many people are on it; 0 and 0 for a channel
// that is not there.
func (s *Service) Mark(ctx context.Context, channel muster.ChannelID) (entries, people int64, err error) {
	return s.store.Mark(ctx, channel)
}

// CountByLevel counts the people on the roster by level, without a scan.
func (s *Service) CountByLevel(ctx context.Context, channel muster.ChannelID) (map[muster.Level]int64, error) {
	return s.store.CountByLevel(ctx, channel)
}

// RosterPage reads up to limit people after an account, in the order of their
// accounts, whose entry e has fromEntry < e <= toEntry (0: no bound). An empty
// page is the end.
func (s *Service) RosterPage(ctx context.Context, channel muster.ChannelID, after muster.AccountID, limit int, fromEntry, toEntry int64) ([]RosterPerson, error) {
	return s.store.RosterPage(ctx, channel, after, limit, fromEntry, toEntry)
}

// levelsOf checks a filter of levels and gives them greatest first, each once.
func levelsOf(levels []muster.Level) ([]muster.Level, error) {
	levels = slices.Clone(levels)
	slices.Sort(levels)
	levels = slices.Compact(levels)
	slices.Reverse(levels)
	for _, l := range levels {
		if !l.OnRoster() {
			return nil, muster.Invalid("levels", "use owner, admin, moderator, member, vip or guest")
		}
	}
	return levels, nil
}
