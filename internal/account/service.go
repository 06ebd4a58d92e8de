package account

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"muster"
)

// Options make a Service. Store, Clock, IDs and Events are required; a zero
// number is its default.
type Options struct {
	Store  Store
	Clock  muster.Clock
	IDs    *muster.IDs
	Events Events
	Log    *slog.Logger // nil: nothing is logged

	// Closed keeps people from making accounts for themselves.
	Closed bool
	// SessionLifetime is how long a sign-in holds, from the sign-in on; 0 is
	// 90 days. ClaimLifetime is how long a claim token does; 0 is 14 days.
	SessionLifetime time.Duration
	ClaimLifetime   time.Duration
	// PasswordMin is the shortest password in characters; 8 is the least.
	PasswordMin int
	// Argon2 are the costs of a new hash; older hashes are renewed at login.
	Argon2 Argon2
	// HashConcurrency is how many hashes are made at a time, 0: one for each
	// processor; HashQueue how many more may wait, 0: eight for each of these.
	HashConcurrency int
	HashQueue       int
	// Failed sign-ins in LoginWindow (0: 15 minutes) before more are refused: to
	// one account (0: 10), and from one network (0: 50). Registrations, also
	// successful ones, from one network: 0 is as AttemptsPerAddress.
	LoginWindow             time.Duration
	AttemptsPerAccount      int
	AttemptsPerAddress      int
	RegistrationsPerAddress int
	// Shared says that other processes write to the same database: a session
	// that they end may then be believed for half a second.
	Shared bool
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	set(&o.SessionLifetime, 90*24*time.Hour)
	set(&o.ClaimLifetime, 14*24*time.Hour)
	set(&o.LoginWindow, 15*time.Minute)
	set(&o.AttemptsPerAccount, 10)
	set(&o.AttemptsPerAddress, 50)
	set(&o.RegistrationsPerAddress, o.AttemptsPerAddress)
	set(&o.HashConcurrency, runtime.GOMAXPROCS(0))
	set(&o.HashQueue, 8*o.HashConcurrency)
	o.PasswordMin = max(o.PasswordMin, minPassword)
	return o
}

// set gives a number its default.
func set[T comparable](v *T, usual T) {
	var zero T
	if *v == zero {
		*v = usual
	}
}

// Service is AccountService and the account part of AdminService: one method for
// each call, under the call's name. Safe for concurrent use. Run has to run
// beside it.
type Service struct {
	opt    Options
	store  Store
	clock  muster.Clock
	ids    *muster.IDs
	events Events
	log    *slog.Logger
	hasher *hasher
	cache  *sessionCache
	seen   seenSessions

	nicknames nicknames
}

// New makes a Service.
func New(opt Options) *Service {
	opt = opt.withDefaults()
	return &Service{
		opt: opt, store: opt.Store, clock: opt.Clock, ids: opt.IDs, events: opt.Events, log: opt.Log,
		hasher: newHasher(opt.Argon2, opt.HashConcurrency, opt.HashQueue),
		cache:  newSessionCache(opt.Shared),
	}
}

// The rhythm of Run.
const (
	flushEvery   = 30 * time.Second // when sessions were last used is written down
	flushTimeout = 5 * time.Second  // for the last time, at the end
	tidyEvery    = time.Minute      // expired sessions end, old attempts go
	tidyBatch    = 500
)

// Run writes down when sessions were last used, ends those that expired and
// forgets old attempts, until ctx ends; what was not written down yet is written
// then. An error of the store is logged and what failed is tried again at the
// next turn.
func (s *Service) Run(ctx context.Context) error {
	flush, tidy := time.NewTicker(flushEvery), time.NewTicker(tidyEvery)
	defer flush.Stop()
	defer tidy.Stop()
	s.tidy(ctx)
	for {
		select {
		case <-flush.C:
			s.flush(ctx)
		case <-tidy.C:
			s.tidy(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// flush writes down when sessions were last used.
func (s *Service) flush(ctx context.Context) {
	when := s.seen.take()
	if len(when) == 0 {
		return
	}
	if err := s.store.TouchSessions(ctx, when); err != nil {
		s.log.WarnContext(ctx, "when sessions were last used could not be stored", "sessions", len(when), "error", err)
		for id, at := range when {
			s.seen.add(id, at)
		}
	}
}

// tidy ends expired sessions and forgets old attempts.
func (s *Service) tidy(ctx context.Context) {
	now := s.clock.Now()
	if err := s.store.TidyAttempts(ctx, now, s.opt.LoginWindow); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "old attempts to sign in could not be removed", "error", err)
	}
	for ctx.Err() == nil {
		ended, err := s.store.EndExpired(ctx, now, tidyBatch)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired sessions could not be removed", "error", err)
		}
		s.ended(ctx, 0, ended)
		if len(ended) < tidyBatch {
			return
		}
	}
}

// ended tells that sessions of an account (0: of several) are over, after the
// commit. Entries of the cache that belong to expired sessions are refused by
// their time.
func (s *Service) ended(ctx context.Context, id muster.AccountID, sessions []muster.SessionID) {
	if id != 0 {
		s.cache.forget(id)
	}
	if len(sessions) > 0 {
		s.events.SessionsEnded(ctx, sessions)
	}
}

// EnsureSetup gives the one-time token with which the next Register makes the
// server's owner, and "" when there is an owner already. Every start makes a new
// one, and the ones before stop working.
func (s *Service) EnsureSetup(ctx context.Context) (string, error) {
	token, hash := newToken(setupPrefix)
	needed, err := s.store.ReplaceSetup(ctx, hash, s.clock.Now())
	if err != nil || !needed {
		return "", err
	}
	return token, nil
}

// newClaim makes a claim token and what is stored of it.
func (s *Service) newClaim() (string, *StoredClaim) {
	token, hash := newToken(claimPrefix)
	return token, &StoredClaim{Hash: hash, Expires: s.clock.Now().Add(s.opt.ClaimLifetime)}
}

// maxDevice is the longest name of a device in characters.
const maxDevice = 100

// newSession makes a session, and its token, for an account.
func (s *Service) newSession(id muster.AccountID, client Client) (StoredSession, string) {
	token, hash := newToken(sessionPrefix)
	now := s.clock.Now().Truncate(time.Millisecond) // as it is stored
	return StoredSession{
		Session: Session{
			ID: muster.SessionID(s.ids.Next()), Account: id, Device: deviceName(client.Device), Address: client.address(),
			Created: now, Seen: now, Expires: now.Add(s.opt.SessionLifetime).Truncate(time.Millisecond),
		},
		Hash: hash, Network: client.network(),
	}, token
}

// deviceName makes a line of what a client calls itself. A strange name is no
// reason to keep somebody out, so it is cut to what can be shown.
func deviceName(s string) string {
	s = strings.Join(strings.Fields(norm.NFC.String(strings.ToValidUTF8(s, ""))), " ")
	if utf8.RuneCountInString(s) > maxDevice {
		s = string([]rune(s)[:maxDevice])
	}
	if clean, err := muster.ParseTitle("device", s, maxDevice); err == nil {
		return clean
	}
	return ""
}
