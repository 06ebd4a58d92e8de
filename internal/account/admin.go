package account

import (
	"context"
	"strconv"

	"muster"
)

// notServerAdmin is the reason of those whom administrator turns away.
const notServerAdmin = "not_server_admin"

// administrator gives the acting account if it administers the server;
// permission_denied ("not_server_admin") otherwise.
func (s *Service) administrator(ctx context.Context, acting muster.AccountID) (Account, error) {
	if acting == Operator {
		return Account{ID: Operator, Role: ServerOwner}, nil
	}
	a, err := s.store.Account(ctx, acting)
	if err != nil && muster.CodeOf(err) != muster.CodeNotFound {
		return Account{}, err
	}
	if err != nil || !a.Role.Administers() || a.Suspended {
		return Account{}, muster.Denied(notServerAdmin, "only administrators of the server may do this")
	}
	return a, nil
}

// BeginBackup lets an owner of the server take a backup, which holds everybody's
// everything, and notes in the audit log that it was taken; permission_denied
// ("not_server_owner") for everybody else.
func (s *Service) BeginBackup(ctx context.Context, acting muster.AccountID) error {
	a, err := s.administrator(ctx, acting)
	if err != nil {
		return err
	}
	if a.Role != ServerOwner {
		return muster.Denied("not_server_owner", "only an owner of the server may take a backup: it holds everything of everybody")
	}
	return s.store.AppendAudit(ctx, acting, "server.backup", "server", "")
}

// mayGrant says whether a role may be given by an account: owners give every
// role, administrators only what they outrank.
func mayGrant(actor Account, role ServerRole) error {
	if actor.Role == ServerOwner || role < actor.Role {
		return nil
	}
	return muster.Denied("outranked", "only an owner of the server may give the role %s", role)
}

// NewAccount is an account to be made for somebody.
type NewAccount struct {
	Name     string
	Nickname string // "": the name
}

// CreateAccount makes an account for somebody, as a server administrator.
// Without a password the account has to be claimed: claim is then the token for
// Register. role 0 is ServerUser.
func (s *Service) CreateAccount(
	ctx context.Context, acting muster.AccountID, n NewAccount, password string, role ServerRole,
) (acct Account, claim string, err error) {
	actor, err := s.administrator(ctx, acting)
	if err != nil {
		return Account{}, "", err
	}
	if role == 0 {
		role = ServerUser
	}
	if !role.Valid() {
		return Account{}, "", muster.Invalid("server_role", "is one of user, admin and owner")
	}
	if err := mayGrant(actor, role); err != nil {
		return Account{}, "", err
	}
	name, err := muster.ParseAccountName(n.Name)
	if err != nil {
		return Account{}, "", err
	}
	nickname, err := parseNickname(n.Nickname, name)
	if err != nil {
		return Account{}, "", err
	}
	c := Creation{Actor: acting, Account: s.newAccount(name, nickname, role)}
	if password == "" {
		claim, c.Claim = s.newClaim()
	} else {
		if err := checkPassword("password", password, name, s.opt.PasswordMin); err != nil {
			return Account{}, "", err
		}
		if c.PasswordHash, err = s.hasher.hash(ctx, password); err != nil {
			return Account{}, "", err
		}
	}
	if err := s.store.CreateAccount(ctx, c); err != nil {
		return Account{}, "", err
	}
	return c.Account, claim, nil
}

// ListAccounts pages through all accounts by name, for server administrators.
func (s *Service) ListAccounts(ctx context.Context, acting muster.AccountID, prefix string, page Page) ([]Account, string, error) {
	if _, err := s.administrator(ctx, acting); err != nil {
		return nil, "", err
	}
	return s.byName(ctx, prefix, page, true)
}

// Settings are what SetAccount changes: the fields that are not nil.
type Settings struct {
	Role      *ServerRole
	Suspended *bool
	// ResetPassword makes the old password void, ends the account's sessions
	// and issues a claim token in the place of any before.
	ResetPassword bool
}

// SetAccount changes an account as a server administrator: its role, whether it
// is suspended, or its password. Suspending ends its sessions. Administrators
// change only those whom they outrank, and themselves downwards; owners change
// everybody, but the last owner stays one and is not suspended
// (failed_precondition, "last_owner"). claim is the token for Register after
// ResetPassword.
func (s *Service) SetAccount(ctx context.Context, acting, id muster.AccountID, set Settings) (acct Account, claim string, err error) {
	if set.Role != nil && !set.Role.Valid() {
		return Account{}, "", muster.Invalid("server_role", "is one of user, admin and owner")
	}
	if _, err := s.administrator(ctx, acting); err != nil {
		return Account{}, "", err // before anything is said about id
	}
	change := Change{Actor: acting, ID: id, Role: set.Role, Suspended: set.Suspended}
	if set.ResetPassword {
		claim, change.Claim = s.newClaim()
	}
	acct, ended, err := s.store.SetAccount(ctx, change, func(actor, target Account, otherOwners int) error {
		if actor.ID == Operator {
			actor.Role = ServerOwner
		}
		return checkChange(actor, target, otherOwners, set)
	})
	if err != nil {
		return Account{}, "", err
	}
	s.ended(ctx, id, ended)
	return acct, claim, nil
}

// checkChange says whether actor may change target so. It runs inside the
// transaction of the change.
func checkChange(actor, target Account, otherOwners int, set Settings) error {
	self := actor.ID == target.ID
	switch {
	case !actor.Role.Administers() || actor.Suspended:
		return muster.Denied(notServerAdmin, "only administrators of the server may do this")
	case self && set.Suspended != nil && *set.Suspended:
		return muster.Conflict("self", "you cannot suspend yourself")
	case !self && actor.Role != ServerOwner && target.Role >= actor.Role:
		return muster.Denied("outranked", "%s does not stand below you", target.Name)
	}
	if set.Role != nil && *set.Role > target.Role {
		if err := mayGrant(actor, *set.Role); err != nil {
			return err
		}
	}
	demoted := set.Role != nil && *set.Role != ServerOwner
	suspended := set.Suspended != nil && *set.Suspended
	if target.Role == ServerOwner && !target.Suspended && otherOwners == 0 && (demoted || suspended) {
		return muster.Conflict("last_owner", "%s is the server's last owner: make another one first", target.Name)
	}
	return nil
}

// IssueSession signs in as any account that is not suspended, without its
// password; name "" is the server's (oldest) owner. Only Operator may, that is,
// whoever holds the admin socket.
func (s *Service) IssueSession(ctx context.Context, acting muster.AccountID, name, device string) (SignIn, error) {
	if acting != Operator {
		return SignIn{}, muster.Denied("not_operator", "this is done on the server's own machine only")
	}
	if name == "" {
		owner, err := s.store.OwnerName(ctx)
		if err != nil {
			return SignIn{}, err
		}
		if owner == "" {
			return SignIn{}, muster.Conflict("no_owner", "the server has no owner yet: open the link that its start printed")
		}
		name = owner
	}
	name, err := muster.ParseAccountName(name)
	if err != nil {
		return SignIn{}, err
	}
	acct, _, err := s.store.Credentials(ctx, name)
	if err != nil {
		return SignIn{}, err
	}
	session, token := s.newSession(acct.ID, Client{Device: device})
	if err := s.store.OpenSession(ctx, Opening{Session: session, Unchecked: true}); err != nil {
		return SignIn{}, err
	}
	return SignIn{Account: acct, Session: session.Session, Token: token}, nil
}

// maxObject is the longest name of an object in the audit log, in bytes.
const maxObject = 64

// ListAudit pages through the audit log, the newest first, about one object
// ("group:123") or all; for server administrators.
func (s *Service) ListAudit(ctx context.Context, acting muster.AccountID, object string, page Page) ([]Audit, string, error) {
	if _, err := s.administrator(ctx, acting); err != nil {
		return nil, "", err
	}
	before, err := idToken(page.Token)
	if err != nil {
		return nil, "", err
	}
	if object != "" {
		if object, err = muster.ParseText("object", object, maxObject); err != nil {
			return nil, "", err
		}
	}
	list, err := s.store.ListAudit(ctx, object, before, page.size()+1)
	if err != nil {
		return nil, "", err
	}
	list, next := cut(list, page.size(), func(e Audit) string { return strconv.FormatInt(e.ID, 10) })
	return list, next, nil
}

// MaxEnsure is the most names of one ResolveNames or EnsureAccounts.
const MaxEnsure = 10_000

// AdministersServer says whether an account, or Operator, is an owner or an
// admin of the server and not suspended. An unknown account is not.
func (s *Service) AdministersServer(ctx context.Context, id muster.AccountID) (bool, error) {
	_, err := s.administrator(ctx, id)
	if muster.ReasonOf(err) == notServerAdmin {
		return false, nil
	}
	return err == nil, err
}

// ResolveNames gives the account of each name, in order; a zero Named where there
// is none, or where the name cannot be one. The same name may come twice.
func (s *Service) ResolveNames(ctx context.Context, names []string) ([]Named, error) {
	if len(names) > MaxEnsure {
		return nil, muster.Invalid("names", "are more than %d", MaxEnsure)
	}
	var distinct []string
	at := make(map[string]int, len(names)) // name -> place in distinct
	for _, name := range names {
		stored, err := muster.ParseAccountName(name)
		if _, there := at[stored]; err == nil && !there {
			at[stored] = len(distinct)
			distinct = append(distinct, stored)
		}
	}
	found, err := s.store.ResolveNames(ctx, distinct)
	if err != nil {
		return nil, err
	}
	out := make([]Named, len(names))
	for i, name := range names {
		if stored, err := muster.ParseAccountName(name); err == nil {
			out[i] = found[at[stored]]
		}
	}
	return out, nil
}

// EnsureAccounts gives accounts by their names, in order, and makes those that do
// not exist yet, in one transaction; they have no password and wait to be
// claimed. It tells how many it made. The same name may come twice. A roster
// import calls it page by page. A name or nickname that is not valid is an
// invalid_argument error that says which, and nothing is made then. Only server
// administrators may: otherwise a name could be taken from its person by an
// import of everything.
func (s *Service) EnsureAccounts(ctx context.Context, acting muster.AccountID, list []NewAccount) ([]Named, int, error) {
	if _, err := s.administrator(ctx, acting); err != nil {
		return nil, 0, err
	}
	if len(list) > MaxEnsure {
		return nil, 0, muster.Invalid("accounts", "are more than %d", MaxEnsure)
	}
	rows := make([]Account, 0, len(list))
	at := make(map[string]int, len(list)) // name -> place in rows
	order := make([]int, len(list))       // place in list -> place in rows
	for i, n := range list {
		name, err := muster.ParseAccountName(n.Name)
		if err != nil {
			return nil, 0, muster.Invalid("accounts", "number %d, %q: %v", i+1, n.Name, err)
		}
		nickname, err := parseNickname(n.Nickname, name)
		if err != nil {
			return nil, 0, muster.Invalid("accounts", "number %d, %q: %v", i+1, n.Name, err)
		}
		if _, there := at[name]; !there {
			at[name] = len(rows)
			rows = append(rows, s.newAccount(name, nickname, ServerUser))
		}
		order[i] = at[name]
	}
	made, created, err := s.store.EnsureAccounts(ctx, rows)
	if err != nil {
		return nil, 0, err
	}
	out := make([]Named, len(list))
	for i, place := range order {
		out[i] = made[place]
	}
	return out, created, nil
}
