package channel

import (
	"cmp"
	"context"
	"slices"

	"muster"
)

// The bounds of an import.
const (
	// importBatch is how many lines one transaction takes.
	importBatch = 5000
	// maxBadLines is how many bad lines the report tells one by one.
	maxBadLines = 1000
)

// ImportLine is one person to put on the roster.
type ImportLine struct {
	// Line is its number in the file, for the report.
	Line    int64
	Account string // the account's name
	// Nickname is empty to leave the one on the roster as it is, or, for
	// somebody new, to show the account's own.
	Nickname string
	// Level is Visitor to leave it as it is; somebody new becomes a guest.
	Level muster.Level
}

// ImportOptions say how to import.
type ImportOptions struct {
	// CreateAccounts makes accounts for unknown names; server administrators
	// only.
	CreateAccounts bool
}

// BadLine says why a line was not taken.
type BadLine struct {
	Line    int64
	Problem string
}

// Report says what an import did. Every line is in exactly one of Added,
// Changed, Unchanged and Bad.
type Report struct {
	Added, Changed, Unchanged int64
	AccountsCreated           int64
	Bad                       int64
	BadLines                  []BadLine // the first 1,000
}

// Importer takes the lines of one import. It is used by one goroutine at a time.
type Importer struct {
	s       *Service
	acting  muster.AccountID
	channel muster.ChannelID
	opts    ImportOptions
	server  bool
	report  Report
}

// Import begins to put people onto a roster; owners and admins of the channel
// only, which is looked at again with every batch. Nobody grants a level, or
// changes the entry of somebody, that they do not outrank, and the importer's
// own level stays: such lines, unknown accounts and banned people are bad lines,
// which stop nothing. When an account stands on several lines the last one wins.
func (s *Service) Import(ctx context.Context, acting muster.AccountID, channel muster.ChannelID, opts ImportOptions) (*Importer, error) {
	server, err := s.serverAdmin(ctx, acting)
	if err != nil {
		return nil, err
	}
	st, err := s.store.Standing(ctx, channel, acting, acting, s.clock.Now())
	if err != nil {
		return nil, err
	}
	if err := checkAdminister(actor{level: st.Actor.Level, server: server}); err != nil {
		return nil, err
	}
	if opts.CreateAccounts && !server {
		return nil, muster.Denied("not_server_admin", "only an administrator of the server may create accounts")
	}
	return &Importer{s: s, acting: acting, channel: channel, opts: opts, server: server}, nil
}

// importing is a line that could be read.
type importing struct {
	ImportLine
	id   muster.AccountID
	own  string // the account's nickname
	slot int    // the account's place in the batch
}

// Add takes the next lines. Every 5,000 are one transaction, which stands
// whatever happens later. An error ends the import; running it again from the
// beginning does no harm.
func (i *Importer) Add(ctx context.Context, lines []ImportLine) error {
	for batch := range slices.Chunk(lines, importBatch) {
		read := i.read(batch)
		read, err := i.resolve(ctx, read)
		if err != nil {
			return err
		}
		if err := i.write(ctx, read); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the report. There is nothing to undo or to finish: what was added
// stands.
func (i *Importer) Close() Report { return i.report }

func (i *Importer) bad(line int64, problem string) {
	i.report.Bad++
	if len(i.report.BadLines) < maxBadLines {
		i.report.BadLines = append(i.report.BadLines, BadLine{line, problem})
	}
}

// read checks the lines by themselves.
func (i *Importer) read(lines []ImportLine) []importing {
	out := make([]importing, 0, len(lines))
	for _, l := range lines {
		var err error
		if l.Account, err = muster.ParseAccountName(l.Account); err == nil && l.Nickname != "" {
			l.Nickname, err = muster.ParseTitle("nickname", l.Nickname, muster.MaxNickname)
		}
		if err == nil && l.Level > muster.Owner {
			err = muster.Invalid("level", "is not a level")
		}
		if err != nil {
			i.bad(l.Line, err.Error())
			continue
		}
		out = append(out, importing{ImportLine: l})
	}
	return out
}

// resolve finds the lines' accounts, and makes those that are missing if it may.
func (i *Importer) resolve(ctx context.Context, lines []importing) ([]importing, error) {
	names := make([]string, 0, len(lines))
	place := make(map[string]int, len(lines))
	nicknames := make([]string, 0, len(lines))
	for _, l := range lines {
		if _, ok := place[l.Account]; !ok {
			place[l.Account] = len(names)
			names, nicknames = append(names, l.Account), append(nicknames, cmp.Or(l.Nickname, l.Account))
		}
	}
	known, err := i.s.accounts.ResolveNames(ctx, names)
	if err != nil {
		return nil, err
	}
	if i.opts.CreateAccounts {
		if err := i.create(ctx, names, nicknames, known); err != nil {
			return nil, err
		}
	}
	out := lines[:0]
	for _, l := range lines {
		k := known[place[l.Account]]
		if k.ID == 0 {
			i.bad(l.Line, "there is no account named "+l.Account)
			continue
		}
		l.id, l.own = k.ID, k.Nickname
		out = append(out, l)
	}
	return out, nil
}

// create makes the accounts that are not known and notes them in known.
func (i *Importer) create(ctx context.Context, names, nicknames []string, known []KnownAccount) error {
	var missing []NewAccount
	var at []int
	for n, k := range known {
		if k.ID == 0 {
			missing, at = append(missing, NewAccount{Name: names[n], Nickname: nicknames[n]}), append(at, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	made, count, err := i.s.accounts.EnsureAccounts(ctx, i.acting, missing)
	if err != nil {
		return err
	}
	for m, n := range at {
		known[n] = made[m]
	}
	i.report.AccountsCreated += count
	return nil
}

// write puts the lines onto the roster, in one transaction.
func (i *Importer) write(ctx context.Context, lines []importing) error {
	if len(lines) == 0 {
		return nil
	}
	accounts := make([]muster.AccountID, len(lines))
	for n, l := range lines {
		accounts[n] = l.id
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	own := make([]string, len(accounts))
	for n := range lines {
		l := &lines[n]
		l.slot, _ = slices.BinarySearch(accounts, l.id)
		own[l.slot] = l.own
	}
	batch := ImportBatch{Channel: i.channel, Actor: i.acting, Accounts: accounts, Now: i.s.clock.Now()}
	var p *plan
	version, err := i.s.store.ImportBatch(ctx, batch, func(state ImportState) ([]ImportSeat, error) {
		p = &plan{actor: actor{level: state.Standing.Actor.Level, server: i.server}, acting: i.acting, state: state, owners: state.Standing.Owners}
		if err := checkAdminister(p.actor); err != nil {
			return nil, err
		}
		return p.make(lines, accounts, own), nil
	})
	if err != nil {
		return err
	}
	i.report.Added += p.added
	i.report.Changed += p.changed
	i.report.Unchanged += p.unchanged
	for _, b := range p.bad {
		i.bad(b.Line, b.Problem)
	}
	i.tell(ctx, version, p.seats, accounts, own)
	return nil
}

// tell makes the rooms follow a batch.
func (i *Importer) tell(ctx context.Context, version int64, seats []ImportSeat, accounts []muster.AccountID, own []string) {
	if here, _ := i.s.rooms.People(i.channel); len(seats) == 0 || here == 0 && i.s.events == nil {
		// Whoever comes in now reads the roster as it is.
		return
	}
	people := make([]PersonChange, len(seats))
	for n, seat := range seats {
		slot, _ := slices.BinarySearch(accounts, seat.Account)
		people[n] = PersonChange{Account: seat.Account, Level: seat.Level, Nickname: cmp.Or(seat.Nickname, own[slot])}
	}
	i.s.tell(ctx, Change{Channel: i.channel, Version: version, People: people})
}

// plan decides about the lines of one batch.
type plan struct {
	actor  actor
	acting muster.AccountID
	state  ImportState
	owners int64

	now                       []Seat
	seats                     []ImportSeat
	added, changed, unchanged int64
	bad                       []BadLine
}

// make goes through the lines in their order and gives what is to be written in
// the end.
func (p *plan) make(lines []importing, accounts []muster.AccountID, own []string) []ImportSeat {
	p.now = slices.Clone(p.state.Seats)
	for _, l := range lines {
		p.line(l)
	}
	for slot, was := range p.state.Seats {
		is := p.now[slot]
		if is.Level == was.Level && is.Nickname == was.Nickname {
			continue
		}
		is.Key = muster.NicknameKey(cmp.Or(is.Nickname, own[slot]))
		p.seats = append(p.seats, ImportSeat{Account: accounts[slot], Was: was.Level, Seat: is})
	}
	return p.seats
}

func (p *plan) line(l importing) {
	seat := &p.now[l.slot]
	to := Seat{Level: l.Level, Nickname: cmp.Or(l.Nickname, seat.Nickname)}
	if to.Level == muster.Visitor {
		to.Level = max(seat.Level, muster.Guest)
	}
	if seat.Level == to.Level && seat.Nickname == to.Nickname {
		p.unchanged++
		return
	}
	if err := p.allow(l, *seat, to); err != nil {
		p.bad = append(p.bad, BadLine{l.Line, err.Error()})
		return
	}
	if seat.Level == muster.Visitor {
		p.added++
	} else {
		p.changed++
	}
	if seat.Level == muster.Owner {
		p.owners--
	}
	if to.Level == muster.Owner {
		p.owners++
	}
	*seat = to
}

// allow says whether the importer may put the account from one place to another.
func (p *plan) allow(l importing, from, to Seat) error {
	if l.id == p.acting && from.Level.OnRoster() {
		if from.Level != to.Level {
			return muster.Conflict("own_level", "an import cannot change your own level")
		}
		return nil
	}
	banned := p.state.Banned != nil && p.state.Banned[l.slot]
	if err := checkSetLevel(p.actor, Person{Level: from.Level, Banned: banned}, to.Level, p.owners, false); err != nil {
		return err
	}
	if from.Level.OnRoster() && !p.actor.outranks(from.Level) {
		return errNotOutranked(from.Level)
	}
	return nil
}
