package wire

import (
	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/account"
)

// Account is an account as it is sent. What the asker may not see is zero in a.
func Account(a account.Account) *musterv1.Account {
	return &musterv1.Account{
		Id: int64(a.ID), Name: a.Name, Nickname: a.Nickname, About: a.About, Language: a.Language,
		DirectAdd: musterv1.DirectAdd(a.DirectAdd), ServerRole: musterv1.ServerRole(a.Role),
		CreatedMs: Millis(a.Created), Suspended: a.Suspended,
	}
}

// Accounts is a list of accounts as it is sent.
func Accounts(list []account.Account) []*musterv1.Account { return each(list, Account) }

// Session is a session as it is sent.
func Session(s account.Session) *musterv1.Session {
	return &musterv1.Session{
		Id: int64(s.ID), Device: s.Device, Address: s.Address, CreatedMs: Millis(s.Created),
		SeenMs: Millis(s.Seen), ExpiresMs: Millis(s.Expires), Current: s.Current,
	}
}

// Sessions is a list of sessions as it is sent.
func Sessions(list []account.Session) []*musterv1.Session { return each(list, Session) }

// Audit is an entry of the audit log as it is sent.
func Audit(a account.Audit) *musterv1.AuditEntry {
	return &musterv1.AuditEntry{
		Id: a.ID, TimeMs: Millis(a.Time), ActorId: int64(a.Actor), ActorName: a.ActorName,
		Action: a.Action, Object: a.Object, Detail: a.Detail,
	}
}

// AuditLog is a part of the audit log as it is sent.
func AuditLog(list []account.Audit) []*musterv1.AuditEntry { return each(list, Audit) }

// DirectAdd reads a direct_add setting that a client sent.
func DirectAdd(d musterv1.DirectAdd) (muster.DirectAdd, error) {
	if d < musterv1.DirectAdd_DIRECT_ADD_ALLOW || d > musterv1.DirectAdd_DIRECT_ADD_REFUSE {
		return 0, muster.Invalid("direct_add", "use ALLOW, ASK or REFUSE")
	}
	return muster.DirectAdd(d), nil //nolint:gosec // checked
}

// ServerRole reads a server role that a client sent.
func ServerRole(r musterv1.ServerRole) (account.ServerRole, error) {
	if r < musterv1.ServerRole_SERVER_ROLE_USER || r > musterv1.ServerRole_SERVER_ROLE_OWNER {
		return 0, muster.Invalid("server_role", "use USER, ADMIN or OWNER")
	}
	return account.ServerRole(r), nil //nolint:gosec // checked
}

// each turns every item of a list into a message.
func each[T, M any](list []T, one func(T) M) []M {
	if len(list) == 0 {
		return nil
	}
	out := make([]M, len(list))
	for i := range list {
		out[i] = one(list[i])
	}
	return out
}
