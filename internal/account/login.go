package account

import (
	"context"
	"strings"
	"time"

	"muster"
)

// seenEvery is how exact Session.Seen is, beside the rhythm in which it is
// written.
const seenEvery = 30 * time.Second

// Login signs in. It needs no session. An unknown name, a name without a
// password and a wrong password get the same answer after the same work:
// unauthenticated ("wrong_credentials"). Others: resource_exhausted
// ("too_many_attempts", "busy"), and, to whoever knows the password,
// permission_denied ("suspended").
//
// An attempt counts before the password is looked at, so that many at the same
// time are not more than the limit allows, and is taken back when the password
// was right. Sessions that are open do not feel the limits.
func (s *Service) Login(ctx context.Context, name, password string, client Client) (SignIn, error) {
	if len(password) > maxPassword {
		return SignIn{}, muster.Invalid("password", "has more than %d bytes", maxPassword)
	}
	stored, err := muster.ParseAccountName(name)
	if err != nil {
		stored = "" // nobody's name
	}
	acct, hash, err := s.store.Credentials(ctx, stored)
	if err != nil && muster.CodeOf(err) != muster.CodeNotFound {
		return SignIn{}, err
	}
	known, err := s.store.HasSessionFrom(ctx, acct.ID, client.network(), s.clock.Now())
	if err != nil {
		return SignIn{}, err
	}
	attempt := s.loginAttempt(strings.ToLower(strings.TrimSpace(name)), client, known)
	if err := s.take(ctx, attempt); err != nil {
		return SignIn{}, err
	}
	ok, stale, err := s.hasher.verify(ctx, hash, password)
	if err != nil {
		s.giveBack(ctx, attempt) // nothing was tested
		return SignIn{}, err
	}
	if !ok {
		return SignIn{}, muster.Unauthenticated("wrong_credentials", "the name or the password is wrong")
	}
	session, token := s.newSession(acct.ID, client)
	opening := Opening{Session: session, Verified: hash, Attempt: attempt}
	if stale {
		if opening.Rehashed, err = s.hasher.hash(ctx, password); err != nil {
			opening.Rehashed = "" // next time
		}
	}
	if err := s.store.OpenSession(ctx, opening); err != nil {
		if muster.ReasonOf(err) == "suspended" {
			s.giveBack(ctx, attempt)
		}
		return SignIn{}, err
	}
	return SignIn{Account: acct, Session: session.Session, Token: token}, nil
}

// Authenticate gives the session that a token stands for, and its account:
// unauthenticated ("no_session" for what is no session token, "session_ended").
// It is asked before every call, and answers from memory most of the time.
func (s *Service) Authenticate(ctx context.Context, token string) (Session, Account, error) {
	hash, ok := hashToken(token, sessionPrefix)
	if !ok {
		return Session{}, Account{}, muster.Unauthenticated("no_session", "sign in first")
	}
	now := s.clock.Now()
	e := s.cache.get(hash, now)
	if e == nil {
		generation := s.cache.generation()
		session, acct, err := s.store.SessionByToken(ctx, hash)
		if err != nil {
			s.cache.drop(hash)
			return Session{}, Account{}, err
		}
		e = s.cache.put(hash, session, acct, now, generation)
	}
	if !now.Before(e.session.Expires) || e.account.Suspended {
		s.cache.drop(hash)
		return Session{}, Account{}, muster.Unauthenticated("session_ended", "this session has ended: sign in again")
	}
	if at := muster.Millis(now); at-e.seen.Load() >= seenEvery.Milliseconds() {
		e.seen.Store(at)
		s.seen.add(e.session.ID, now)
	}
	return e.session, e.account, nil
}

// Logout ends the session that calls.
func (s *Service) Logout(ctx context.Context, acting muster.AccountID, session muster.SessionID) error {
	return s.endOne(ctx, acting, session)
}

func (s *Service) endOne(ctx context.Context, acting muster.AccountID, session muster.SessionID) error {
	if err := s.store.EndSession(ctx, acting, session); err != nil {
		return err
	}
	s.ended(ctx, acting, []muster.SessionID{session})
	return nil
}

// maxSessions is how many sessions a list shows.
const maxSessions = 200

// ListSessions lists the acting account's sessions, the newest first; current is
// the one that asks.
func (s *Service) ListSessions(ctx context.Context, acting muster.AccountID, current muster.SessionID) ([]Session, error) {
	list, err := s.store.Sessions(ctx, acting, s.clock.Now(), maxSessions)
	for i := range list {
		list[i].Current = list[i].ID == current
	}
	return list, err
}

// RevokeSession ends one session of the acting account, or, with allOthers and
// no session, every one but current. not_found ("session_not_found").
func (s *Service) RevokeSession(ctx context.Context, acting muster.AccountID, current, session muster.SessionID, allOthers bool) error {
	switch {
	case allOthers && session != 0:
		return muster.Invalid("session_id", "must be 0 when all others are to end")
	case allOthers && current == 0:
		return muster.Invalid("all_others", "needs a session to keep")
	case !allOthers:
		return s.endOne(ctx, acting, session)
	}
	ended, err := s.store.EndOtherSessions(ctx, acting, current)
	if err != nil {
		return err
	}
	s.ended(ctx, acting, ended)
	return nil
}

// ChangePassword replaces the acting account's password and ends every session
// but current. permission_denied ("wrong_password"), resource_exhausted
// ("too_many_attempts": whoever took over a session may not guess either),
// invalid_argument as in Register.
func (s *Service) ChangePassword(ctx context.Context, acting muster.AccountID, current muster.SessionID, old, fresh string) error {
	acct, err := s.store.Account(ctx, acting)
	if err != nil {
		return err
	}
	if err := checkPassword("new_password", fresh, acct.Name, s.opt.PasswordMin); err != nil {
		return err
	}
	if len(old) > maxPassword {
		return muster.Invalid("old_password", "has more than %d bytes", maxPassword)
	}
	from, err := s.store.PasswordHash(ctx, acting)
	if err != nil {
		return err
	}
	attempt := s.attempt(Limit{limitKey("change", acting.String()), s.opt.AttemptsPerAccount})
	if err := s.take(ctx, attempt); err != nil {
		return err
	}
	ok, _, err := s.hasher.verify(ctx, from, old)
	if err != nil {
		s.giveBack(ctx, attempt)
		return err
	}
	if !ok {
		return muster.Denied("wrong_password", "the old password is wrong")
	}
	to, err := s.hasher.hash(ctx, fresh)
	if err != nil {
		s.giveBack(ctx, attempt)
		return err
	}
	ended, err := s.store.ChangePassword(ctx, acting, from, to, current)
	if err != nil {
		return err
	}
	s.ended(ctx, acting, ended)
	s.giveBack(ctx, attempt)
	return nil
}
