package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster"
	"muster/internal/account"
)

// Accounts is the part of the store that keeps accounts, sessions, limits of
// logins and the audit log (see also session.go, attempt.go and audit.go).
type Accounts struct{ s *Store }

var _ account.Store = Accounts{}

// Accounts gives the part for package account.
func (s *Store) Accounts() Accounts { return Accounts{s} }

// accountColumns and scanAccount go together; the table's alias is a.
const accountColumns = "a.id, a.name, a.nickname, a.about, a.language, a.direct_add, a.server_role, a.suspended, a.created_ms"

const accountColumnCount = 9

func scanAccount(r row) account.Account {
	return account.Account{
		ID: muster.AccountID(r.Int(0)), Name: r.Text(1), Nickname: r.Text(2), About: r.Text(3), Language: r.Text(4),
		DirectAdd: muster.DirectAdd(r.Int(5)), Role: account.ServerRole(r.Int(6)), //nolint:gosec // small constants
		Suspended: r.Bool(7), Created: muster.FromMillis(r.Int(8)),
	}
}

// oneAccount gives the account that the condition finds, with its password's
// hash; not_found. suffix may lock the row.
func oneAccount(c conn, condition string, arg any) (account.Account, string, error) {
	var (
		a    account.Account
		hash string
	)
	found, err := one(c, "SELECT "+accountColumns+", a.password_hash FROM account a WHERE "+condition, []any{arg}, func(r row) {
		a, hash = scanAccount(r), r.Text(accountColumnCount)
	})
	if err == nil && !found {
		err = muster.NotFound("account")
	}
	return a, hash, err
}

// lockAccount is oneAccount by id, and nobody else changes it before the
// transaction ends.
func lockAccount(c conn, id muster.AccountID) (account.Account, string, error) {
	return oneAccount(c, "a.id = $1"+c.forUpdate(), id)
}

// Account implements account.Store.
func (a Accounts) Account(ctx context.Context, id muster.AccountID) (got account.Account, err error) {
	err = a.s.read(ctx, func(c conn) error {
		got, _, err = oneAccount(c, "a.id = $1", id)
		return err
	})
	return got, err
}

// Credentials implements account.Store.
func (a Accounts) Credentials(ctx context.Context, name string) (got account.Account, hash string, err error) {
	err = a.s.read(ctx, func(c conn) error {
		got, hash, err = oneAccount(c, "a.name = $1", name)
		return err
	})
	return got, hash, err
}

// PasswordHash implements account.Store.
func (a Accounts) PasswordHash(ctx context.Context, id muster.AccountID) (hash string, err error) {
	err = a.s.read(ctx, func(c conn) error {
		_, hash, err = oneAccount(c, "a.id = $1", id)
		return err
	})
	return hash, err
}

// OwnerName implements account.Store.
func (a Accounts) OwnerName(ctx context.Context) (name string, err error) {
	err = a.s.read(ctx, func(c conn) error {
		_, err := one(c, "SELECT name FROM account WHERE server_role = 3 AND NOT suspended ORDER BY id LIMIT 1", nil, func(r row) { name = r.Text(0) })
		return err
	})
	return name, err
}

// CountAccounts tells how many accounts there are, for statistics. It reads an
// index from end to end.
func (a Accounts) CountAccounts(ctx context.Context) (n int64, err error) {
	err = a.s.read(ctx, func(c conn) error {
		n, err = oneInt(c, "SELECT count(*) FROM account")
		return err
	})
	return n, err
}

// FindAccounts implements account.Store.
func (a Accounts) FindAccounts(ctx context.Context, q account.NameQuery) ([]account.Account, error) {
	// Names are ASCII between '-' and 'z', so these are the bounds of the prefix
	// and of what comes after a name.
	from := max(q.Prefix, q.After+"\x01")
	if q.After == "" {
		from = q.Prefix
	}
	var list []account.Account
	err := a.s.read(ctx, func(c conn) error {
		list = list[:0]
		return c.query("SELECT "+accountColumns+` FROM account a
			WHERE a.name >= $1 AND a.name < $2 AND (NOT a.suspended OR $3) ORDER BY a.name LIMIT $4`,
			[]any{from, q.Prefix + "\x7f", q.Suspended, q.Limit}, func(r row) error {
				list = append(list, scanAccount(r))
				return nil
			})
	})
	return list, err
}

var accountInsert = insert{
	table: "account",
	columns: []column{
		{"id", intColumn},
		{"name", textColumn},
		{"nickname", textColumn},
		{"language", textColumn},
		{"direct_add", intColumn},
		{"server_role", intColumn},
		{"suspended", boolColumn},
		{"password_hash", textColumn},
		{"created_ms", intColumn},
	},
	conflict: "(name) DO NOTHING",
}

func accountValue(a *account.Account, hash string, col int) any {
	switch col {
	case 0:
		return int64(a.ID)
	case 1:
		return a.Name
	case 2:
		return a.Nickname
	case 3:
		return a.Language
	case 4:
		return int64(a.DirectAdd)
	case 5:
		return int64(a.Role)
	case 6:
		return a.Suspended
	case 7:
		return hash
	default:
		return muster.Millis(a.Created)
	}
}

// CreateAccount implements account.Store.
func (a Accounts) CreateAccount(ctx context.Context, n account.Creation) error {
	return a.s.write(ctx, func(c conn) error {
		if n.Setup != nil {
			if err := useSetup(c, *n.Setup); err != nil {
				return err
			}
		}
		made, err := c.insertMany(accountInsert, 1, func(_, col int) any { return accountValue(&n.Account, n.PasswordHash, col) })
		if err != nil {
			return err
		}
		if made == 0 {
			return muster.Exists("name_taken", "the name %s is taken", n.Account.Name)
		}
		if n.Claim != nil {
			if err := putClaim(c, n.Account.ID, *n.Claim); err != nil {
				return err
			}
		}
		if n.Session != nil {
			if err := putSession(c, *n.Session); err != nil {
				return err
			}
		}
		if n.Actor == 0 {
			return nil
		}
		return a.s.audit(c, n.Actor, "account.create", objectOf(n.Account.ID), n.Account.Name+", "+n.Account.Role.String())
	})
}

func objectOf(id muster.AccountID) string { return "account:" + id.String() }

// namesInOneQuery is how many names one statement looks up; a shorter list is
// filled up with its last name, so that there is one prepared statement.
const namesInOneQuery = 128

var accountsByName = func() string {
	var b strings.Builder
	b.WriteString("SELECT id, name, nickname FROM account WHERE name IN ($1")
	for i := 2; i <= namesInOneQuery; i++ {
		b.WriteString(", $")
		b.WriteString(strconv.Itoa(i))
	}
	b.WriteString(")")
	return b.String()
}()

// lookUp calls found for each of the names that an account has.
func lookUp(c conn, names []string, found func(name string, n account.Named)) error {
	args := make([]any, namesInOneQuery)
	for part := range slices.Chunk(names, namesInOneQuery) {
		for i := range args {
			args[i] = part[min(i, len(part)-1)]
		}
		err := c.query(accountsByName, args, func(r row) error {
			found(r.Text(1), account.Named{ID: muster.AccountID(r.Int(0)), Nickname: r.Text(2)})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ResolveNames implements account.Store.
func (a Accounts) ResolveNames(ctx context.Context, names []string) ([]account.Named, error) {
	out := make([]account.Named, len(names))
	place := make(map[string]int, len(names))
	for i, name := range names {
		place[name] = i
	}
	err := a.s.read(ctx, func(c conn) error {
		return lookUp(c, names, func(name string, n account.Named) { out[place[name]] = n })
	})
	return out, err
}

// EnsureAccounts implements account.Store.
func (a Accounts) EnsureAccounts(ctx context.Context, rows []account.Account) ([]account.Named, int, error) {
	out := make([]account.Named, len(rows))
	place := make(map[string]int, len(rows))
	names := make([]string, len(rows))
	for i, r := range rows {
		place[r.Name], names[i] = i, r.Name
	}
	// Everybody inserts in the order of names, so that two imports at the same
	// time do not lock each other out.
	slices.Sort(names)
	var created int64
	err := a.s.write(ctx, func(c conn) (err error) {
		created, err = c.insertMany(accountInsert, len(rows), func(row, col int) any { return accountValue(&rows[place[names[row]]], "", col) })
		if err != nil {
			return err
		}
		return lookUp(c, names, func(name string, n account.Named) { out[place[name]] = n })
	})
	return out, int(created), err
}

// SetProfile implements account.Store.
func (a Accounts) SetProfile(ctx context.Context, id muster.AccountID, edit func(*account.Account)) (got account.Account, err error) {
	err = a.s.write(ctx, func(c conn) error {
		if got, _, err = lockAccount(c, id); err != nil {
			return err
		}
		edit(&got)
		_, err := c.exec("UPDATE account SET nickname = $2, about = $3, language = $4, direct_add = $5 WHERE id = $1",
			id, got.Nickname, got.About, got.Language, got.DirectAdd)
		return err
	})
	return got, err
}

// SetAccount implements account.Store.
func (a Accounts) SetAccount(
	ctx context.Context, ch account.Change, check func(actor, target account.Account, otherOwners int) error,
) (got account.Account, ended []muster.SessionID, err error) {
	err = a.s.write(ctx, func(c conn) error {
		owners, err := lockOwners(c)
		if err != nil {
			return err
		}
		actor := account.Account{ID: ch.Actor}
		if ch.Actor != account.Operator {
			if actor, _, err = lockAccount(c, ch.Actor); err != nil {
				return err
			}
		}
		if got, _, err = lockAccount(c, ch.ID); err != nil {
			return err
		}
		others := len(slices.DeleteFunc(owners, func(id muster.AccountID) bool { return id == ch.ID }))
		if err := check(actor, got, others); err != nil {
			return err
		}
		got, ended, err = a.s.applyChange(c, ch, got)
		return err
	})
	return got, ended, err
}

// lockOwners lists the owners who are not suspended and holds them so: two
// owners who demote each other at the same time do not both succeed.
func lockOwners(c conn) (ids []muster.AccountID, err error) {
	err = c.query("SELECT id FROM account WHERE server_role = 3 AND NOT suspended ORDER BY id"+c.forUpdate(), nil, func(r row) error {
		ids = append(ids, muster.AccountID(r.Int(0)))
		return nil
	})
	return ids, err
}

func (s *Store) applyChange(c conn, ch account.Change, target account.Account) (account.Account, []muster.SessionID, error) {
	var ended []muster.SessionID
	if ch.Role != nil && *ch.Role != target.Role {
		target.Role = *ch.Role
		if _, err := c.exec("UPDATE account SET server_role = $2 WHERE id = $1", target.ID, target.Role); err != nil {
			return target, nil, err
		}
		if err := s.audit(c, ch.Actor, "account.role", objectOf(target.ID), target.Role.String()); err != nil {
			return target, nil, err
		}
	}
	if ch.Suspended != nil && *ch.Suspended != target.Suspended {
		target.Suspended = *ch.Suspended
		if _, err := c.exec("UPDATE account SET suspended = $2 WHERE id = $1", target.ID, target.Suspended); err != nil {
			return target, nil, err
		}
		action := "account.suspend"
		if !target.Suspended {
			action = "account.restore"
		}
		if err := s.audit(c, ch.Actor, action, objectOf(target.ID), ""); err != nil {
			return target, nil, err
		}
	}
	if ch.Claim != nil {
		if _, err := c.exec("UPDATE account SET password_hash = '' WHERE id = $1", target.ID); err != nil {
			return target, nil, err
		}
		if err := putClaim(c, target.ID, *ch.Claim); err != nil {
			return target, nil, err
		}
		if err := s.audit(c, ch.Actor, "account.reset_password", objectOf(target.ID), ""); err != nil {
			return target, nil, err
		}
	}
	if target.Suspended || ch.Claim != nil {
		var err error
		if ended, err = endSessions(c, target.ID, 0); err != nil {
			return target, nil, err
		}
	}
	return target, ended, nil
}

// Block implements account.Store.
func (a Accounts) Block(ctx context.Context, id, blocked muster.AccountID, now time.Time) error {
	return a.s.write(ctx, func(c conn) error {
		if _, _, err := oneAccount(c, "a.id = $1", blocked); err != nil {
			return err
		}
		_, err := c.exec("INSERT INTO account_block (account_id, blocked_id, created_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			id, blocked, muster.Millis(now))
		return err
	})
}

// Unblock implements account.Store.
func (a Accounts) Unblock(ctx context.Context, id, blocked muster.AccountID) error {
	return a.s.write(ctx, func(c conn) error {
		_, err := c.exec("DELETE FROM account_block WHERE account_id = $1 AND blocked_id = $2", id, blocked)
		return err
	})
}

// Blocked implements account.Store.
func (a Accounts) Blocked(ctx context.Context, id, after muster.AccountID, limit int) ([]account.Account, error) {
	var list []account.Account
	err := a.s.read(ctx, func(c conn) error {
		list = list[:0]
		return c.query("SELECT "+accountColumns+` FROM account_block b JOIN account a ON a.id = b.blocked_id
			WHERE b.account_id = $1 AND b.blocked_id > $2 ORDER BY b.blocked_id LIMIT $3`, []any{id, after, limit}, func(r row) error {
			list = append(list, scanAccount(r))
			return nil
		})
	})
	return list, err
}
