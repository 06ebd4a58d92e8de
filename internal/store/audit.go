package store

import (
	"context"

	"muster"
	"muster/internal/account"
)

// audit stores an administrative act, inside the transaction of the act itself:
// neither stands without the other. object is a kind and an id, such as
// "group:123".
func (s *Store) audit(c conn, actor muster.AccountID, action, object, detail string) error {
	_, err := c.exec("INSERT INTO audit (id, at_ms, actor_id, action, object, detail) VALUES ($1, $2, $3, $4, $5, $6)",
		s.ids.Next(), s.now(), actor, action, object, detail)
	return err
}

// AppendAudit implements account.Store.
func (a Accounts) AppendAudit(ctx context.Context, actor muster.AccountID, action, object, detail string) error {
	return a.s.write(ctx, func(c conn) error { return a.s.audit(c, actor, action, object, detail) })
}

// ListAudit implements account.Store.
func (a Accounts) ListAudit(ctx context.Context, object string, before int64, limit int) ([]account.Audit, error) {
	const columns = `SELECT u.id, u.at_ms, u.actor_id, coalesce(a.name, ''), u.action, u.object, u.detail
		FROM audit u LEFT JOIN account a ON a.id = u.actor_id WHERE `
	if before <= 0 {
		before = 1<<63 - 1
	}
	sql, args := columns+"u.id < $1 ORDER BY u.id DESC LIMIT $2", []any{before, limit}
	if object != "" {
		sql, args = columns+"u.object = $3 AND u.id < $1 ORDER BY u.id DESC LIMIT $2", append(args, object)
	}
	var list []account.Audit
	err := a.s.read(ctx, func(c conn) error {
		list = list[:0]
		return c.query(sql, args, func(r row) error {
			e := account.Audit{
				ID: r.Int(0), Time: muster.FromMillis(r.Int(1)), Actor: muster.AccountID(r.Int(2)), ActorName: r.Text(3),
				Action: r.Text(4), Object: r.Text(5), Detail: r.Text(6),
			}
			if e.Actor == account.Operator {
				e.ActorName = "operator"
			}
			list = append(list, e)
			return nil
		})
	})
	return list, err
}
