package account

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster"
)

// GetAccount shows an account; id 0 is the acting one. Settings (language,
// direct_add, server role) are shown to the account itself and to the server's
// administrators.
func (s *Service) GetAccount(ctx context.Context, acting, id muster.AccountID) (Account, error) {
	if id == 0 {
		id = acting
	}
	got, err := s.store.Account(ctx, id)
	if err != nil || id == acting || acting == Operator {
		return got, err
	}
	asker, err := s.store.Account(ctx, acting)
	if err != nil {
		return Account{}, err
	}
	if !asker.Role.Administers() {
		got = got.public()
	}
	return got, nil
}

// Profile is what UpdateProfile changes: the fields that are not nil.
type Profile struct {
	Nickname  *string // empty: the name
	About     *string
	Language  *string
	DirectAdd *muster.DirectAdd
}

// UpdateProfile changes the acting account's own fields.
func (s *Service) UpdateProfile(ctx context.Context, acting muster.AccountID, p Profile) (Account, error) {
	var nickname, about, language string
	var err error
	if p.Nickname != nil && strings.TrimSpace(*p.Nickname) != "" {
		if nickname, err = muster.ParseTitle("nickname", *p.Nickname, muster.MaxNickname); err != nil {
			return Account{}, err
		}
	}
	if p.About != nil {
		if about, err = parseAbout(*p.About); err != nil {
			return Account{}, err
		}
	}
	if p.Language != nil {
		if language, err = parseLanguage(*p.Language); err != nil {
			return Account{}, err
		}
	}
	if p.DirectAdd != nil && (*p.DirectAdd < muster.DirectAddAllow || *p.DirectAdd > muster.DirectAddRefuse) {
		return Account{}, muster.Invalid("direct_add", "is one of allow, ask and refuse")
	}
	got, err := s.store.SetProfile(ctx, acting, func(a *Account) {
		if p.Nickname != nil {
			if a.Nickname = nickname; nickname == "" {
				a.Nickname = a.Name
			}
		}
		if p.About != nil {
			a.About = about
		}
		if p.Language != nil {
			a.Language = language
		}
		if p.DirectAdd != nil {
			a.DirectAdd = *p.DirectAdd
		}
	})
	if err != nil {
		return Account{}, err
	}
	s.cache.forget(acting)
	s.nicknames.forget(acting)
	return got, nil
}

func parseAbout(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", nil
	}
	if utf8.RuneCountInString(s) > muster.MaxAbout {
		return "", muster.Invalid("about", "has more than %d characters", muster.MaxAbout)
	}
	return muster.ParseText("about", s, utf8.UTFMax*muster.MaxAbout)
}

// parseLanguage checks a language tag and gives its usual form (en, zh-Hans,
// pt-BR): the language, script, region and variants of BCP 47 (RFC 5646) by
// their shape, without a registry. Empty is "not told".
func parseLanguage(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	bad := muster.Invalid("language", "is a language tag such as en, zh or pt-BR")
	if len(s) > 16 {
		return "", bad
	}
	parts := strings.Split(s, "-")
	for i, p := range parts {
		letters, alnum := true, true
		for _, c := range []byte(strings.ToLower(p)) {
			letters = letters && c >= 'a' && c <= 'z'
			alnum = alnum && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
		}
		switch {
		case i == 0 && letters && (len(p) == 2 || len(p) == 3):
			parts[i] = strings.ToLower(p)
		case i == 0 || !alnum || len(p) < 2 || len(p) > 8:
			return "", bad
		case letters && len(p) == 4:
			parts[i] = strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		case letters && len(p) == 2:
			parts[i] = strings.ToUpper(p)
		default:
			parts[i] = strings.ToLower(p)
		}
	}
	return strings.Join(parts, "-"), nil
}

// FindAccounts finds people by the beginning of their name, in the order of
// names; those who are suspended are left out. It gives the token of the next
// page as well, "" at the end.
func (s *Service) FindAccounts(ctx context.Context, acting muster.AccountID, prefix string, page Page) ([]Account, string, error) {
	if strings.TrimSpace(prefix) == "" {
		return nil, "", muster.Invalid("name_prefix", "must not be empty")
	}
	list, next, err := s.byName(ctx, prefix, page, false)
	for i, a := range list {
		if a.ID != acting {
			list[i] = a.public()
		}
	}
	return list, next, err
}

// byName pages through accounts; the token is the last name.
func (s *Service) byName(ctx context.Context, prefix string, page Page, suspended bool) ([]Account, string, error) {
	prefix = strings.ToLower(strings.TrimSpace(prefix))
	for _, c := range []byte(prefix) {
		if c < '-' || c > 'z' {
			return nil, "", nil // no name holds it
		}
	}
	if page.Token != "" {
		if _, err := muster.ParseAccountName(page.Token); err != nil {
			return nil, "", muster.Invalid("page_token", "is not one that this server gave")
		}
	}
	list, err := s.store.FindAccounts(ctx, NameQuery{Prefix: prefix, After: page.Token, Limit: page.size() + 1, Suspended: suspended})
	if err != nil {
		return nil, "", err
	}
	list, next := cut(list, page.size(), func(a Account) string { return a.Name })
	return list, next, nil
}

// Block keeps another account from adding or inviting the acting one. To block
// twice is as to block once.
func (s *Service) Block(ctx context.Context, acting, id muster.AccountID) error {
	if id == acting {
		return muster.Invalid("account_id", "is your own account")
	}
	return s.store.Block(ctx, acting, id, s.clock.Now())
}

// Unblock takes a block back, if there is one.
func (s *Service) Unblock(ctx context.Context, acting, id muster.AccountID) error {
	return s.store.Unblock(ctx, acting, id)
}

// ListBlocked lists whom the acting account blocks.
func (s *Service) ListBlocked(ctx context.Context, acting muster.AccountID, page Page) ([]Account, string, error) {
	after, err := idToken(page.Token)
	if err != nil {
		return nil, "", err
	}
	list, err := s.store.Blocked(ctx, acting, muster.AccountID(after), page.size()+1)
	if err != nil {
		return nil, "", err
	}
	for i, a := range list {
		list[i] = a.public()
	}
	list, next := cut(list, page.size(), func(a Account) string { return a.ID.String() })
	return list, next, nil
}

// idToken reads a page token that is an id; "" is 0.
func idToken(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(token, 10, 64)
	if err != nil || id <= 0 {
		return 0, muster.Invalid("page_token", "is not one that this server gave")
	}
	return id, nil
}
