package account

import (
	"context"
	"strings"

	"muster"
)

// Registration is what Register needs.
type Registration struct {
	Name     string
	Password string
	Nickname string // "": the name
	Language string
	// Token is the one-time token of a link, if there is one. The setup token
	// that the first start prints makes the new account the server's owner. The
	// claim token of an account that somebody else made (an administrator, a
	// roster import) sets that account's password; Name is then its name, or
	// empty.
	Token  string
	Client Client
}

// Register makes an account, or claims one, and signs it in. It needs no
// session. Errors: permission_denied ("registration_closed", "wrong_token",
// "suspended"), already_exists ("name_taken"), invalid_argument
// ("password_short", "password_weak", and of each field), resource_exhausted
// ("too_many_attempts", "busy").
func (s *Service) Register(ctx context.Context, r Registration) (SignIn, error) {
	language, err := parseLanguage(r.Language)
	if err != nil {
		return SignIn{}, err
	}
	r.Language = language
	if r.Token == "" {
		return s.registerOpen(ctx, r)
	}
	hash, ok := hashToken(r.Token, setupPrefix, claimPrefix)
	var use OneTime
	if ok {
		if use, ok, err = s.store.OneTimeToken(ctx, hash, s.clock.Now()); err != nil {
			return SignIn{}, err
		}
	}
	switch {
	case !ok:
		return SignIn{}, muster.Denied("wrong_token", "this link has been used, replaced or has expired: ask for a new one")
	case use.Account != 0:
		return s.claim(ctx, r, hash, use.Account)
	default:
		return s.create(ctx, r, ServerOwner, &hash)
	}
}

func (s *Service) registerOpen(ctx context.Context, r Registration) (SignIn, error) {
	if s.opt.Closed {
		return SignIn{}, muster.Denied("registration_closed", "accounts on this server are made by its administrators")
	}
	if network := r.Client.network(); network != "" {
		// Before the name is looked at: this bounds how fast one can ask which
		// names exist as well.
		if _, _, err := s.checkNew(r); err != nil {
			return SignIn{}, err
		}
		if err := s.take(ctx, s.attempt(Limit{limitKey("register", network), s.opt.RegistrationsPerAddress})); err != nil {
			return SignIn{}, err
		}
	}
	return s.create(ctx, r, ServerUser, nil)
}

// checkNew gives the stored forms of a new account's name and nickname.
func (s *Service) checkNew(r Registration) (name, nickname string, err error) {
	if name, err = muster.ParseAccountName(r.Name); err != nil {
		return "", "", err
	}
	if nickname, err = parseNickname(r.Nickname, name); err != nil {
		return "", "", err
	}
	return name, nickname, checkPassword("password", r.Password, name, s.opt.PasswordMin)
}

// create makes an account that signs in at once, with the setup token if there
// is one.
func (s *Service) create(ctx context.Context, r Registration, role ServerRole, setup *TokenHash) (SignIn, error) {
	name, nickname, err := s.checkNew(r)
	if err != nil {
		return SignIn{}, err
	}
	if err := s.free(ctx, name); err != nil {
		return SignIn{}, err // before the work of hashing
	}
	hash, err := s.hasher.hash(ctx, r.Password)
	if err != nil {
		return SignIn{}, err
	}
	acct := s.newAccount(name, nickname, role)
	acct.Language = r.Language
	session, token := s.newSession(acct.ID, r.Client)
	c := Creation{Account: acct, PasswordHash: hash, Setup: setup, Session: &session}
	if setup != nil {
		c.Actor = acct.ID // that somebody became the owner is on record
	}
	if err := s.store.CreateAccount(ctx, c); err != nil {
		return SignIn{}, err
	}
	return SignIn{Account: acct, Session: session.Session, Token: token}, nil
}

// free says already_exists when a name is taken.
func (s *Service) free(ctx context.Context, name string) error {
	_, _, err := s.store.Credentials(ctx, name)
	if err == nil {
		return muster.Exists("name_taken", "the name %s is taken", name)
	}
	if muster.CodeOf(err) == muster.CodeNotFound {
		return nil
	}
	return err
}

func (s *Service) newAccount(name, nickname string, role ServerRole) Account {
	return Account{
		ID: muster.AccountID(s.ids.Next()), Name: name, Nickname: nickname, DirectAdd: muster.DirectAddAllow, Role: role,
		Created: muster.FromMillis(muster.Millis(s.clock.Now())),
	}
}

// claim sets the password of an account that somebody else made, and signs in.
func (s *Service) claim(ctx context.Context, r Registration, token TokenHash, id muster.AccountID) (SignIn, error) {
	acct, err := s.store.Account(ctx, id)
	if err != nil {
		return SignIn{}, err
	}
	if r.Name != "" && !strings.EqualFold(strings.TrimSpace(r.Name), acct.Name) {
		return SignIn{}, muster.Invalid("name", "this link is for the account %s", acct.Name)
	}
	if r.Nickname != "" {
		if r.Nickname, err = parseNickname(r.Nickname, acct.Name); err != nil {
			return SignIn{}, err
		}
	}
	if err := checkPassword("password", r.Password, acct.Name, s.opt.PasswordMin); err != nil {
		return SignIn{}, err
	}
	hash, err := s.hasher.hash(ctx, r.Password)
	if err != nil {
		return SignIn{}, err
	}
	session, secret := s.newSession(id, r.Client)
	acct, err = s.store.Claim(ctx, Claiming{
		Hash: token, Now: s.clock.Now(), PasswordHash: hash, Nickname: r.Nickname, Language: r.Language, Session: session,
	})
	if err != nil {
		return SignIn{}, err
	}
	s.cache.forget(id) // the nickname
	return SignIn{Account: acct, Session: session.Session, Token: secret}, nil
}

// parseNickname checks a nickname; an empty one is the name.
func parseNickname(s, name string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return name, nil
	}
	return muster.ParseTitle("nickname", s, muster.MaxNickname)
}
