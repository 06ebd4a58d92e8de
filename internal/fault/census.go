package fault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"

	"muster"
)

// Census looks into a database past the program that keeps it: what it counts is
// what is there.
type Census struct {
	t    testing.TB
	dir  string
	url  string
	file *sqlite.Conn
	conn *pgx.Conn
}

// NewCensus opens a store's database beside the store: SQLite's in dir, or
// PostgreSQL's at url when that is not empty.
func NewCensus(t testing.TB, dir, url string) *Census {
	t.Helper()
	c := &Census{t: t, dir: dir, url: url}
	var err error
	if url == "" {
		c.file, err = sqlite.OpenConn(filepath.Join(dir, "core.db"), sqlite.OpenReadWrite|sqlite.OpenWAL)
	} else {
		c.conn, err = pgx.Connect(t.Context(), url)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Close ends the look; the test's end does so too.
func (c *Census) Close() {
	var err error
	if c.file != nil {
		err = c.file.Close()
	}
	if c.conn != nil {
		err = c.conn.Close(context.Background())
	}
	c.file, c.conn = nil, nil
	if err != nil {
		c.t.Errorf("close the census: %v", err)
	}
}

// Lines runs a query ($1, $2, ... are integers) and gives a line for each row,
// its columns, integers or texts, with a bar between them.
func (c *Census) Lines(sql string, args ...int64) []string {
	c.t.Helper()
	lines, err := c.lines(sql, args)
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return lines
}

func (c *Census) lines(sql string, args []int64) (lines []string, err error) {
	if c.file != nil {
		stmt, err := c.file.Prepare(sql)
		if err != nil {
			return nil, err
		}
		for i := range stmt.BindParamCount() {
			n, err := strconv.Atoi(strings.TrimPrefix(stmt.BindParamName(i+1), "$"))
			if err != nil || n > len(args) {
				return nil, fmt.Errorf("no argument for %q", stmt.BindParamName(i+1))
			}
			stmt.BindInt64(i+1, args[n-1])
		}
		columns := make([]string, stmt.ColumnCount())
		for {
			more, err := stmt.Step()
			if err != nil || !more {
				return lines, err
			}
			for i := range columns {
				columns[i] = stmt.ColumnText(i)
			}
			lines = append(lines, strings.Join(columns, "|"))
		}
	}
	given := make([]any, len(args))
	for i, a := range args {
		given[i] = a
	}
	rows, err := c.conn.Query(context.Background(), sql, given...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.ReplaceAll(strings.Trim(fmt.Sprintf("%q", texts(values)), "[]\""), `" "`, "|"))
	}
	return lines, rows.Err()
}

func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// Int runs a query whose answer is one integer.
func (c *Census) Int(sql string, args ...int64) int64 {
	c.t.Helper()
	lines := c.Lines(sql, args...)
	if len(lines) != 1 {
		c.t.Fatalf("%s: %d rows", sql, len(lines))
	}
	n, err := strconv.ParseInt(lines[0], 10, 64)
	if err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// CheckGroup holds everything that is kept twice of a group against each other:
// the number of members, that of each subgroup, both orders of the memberships,
// and the owner.
func (c *Census) CheckGroup(group muster.GroupID) {
	c.t.Helper()
	id := int64(group)
	for what, sql := range map[string]string{
		"counted members and members": `SELECT (SELECT member_count FROM grp WHERE id = $1) -
			(SELECT count(*) FROM group_member WHERE group_id = $1)`,
		"members that are not in their account's list": `SELECT count(*) FROM group_member m
			LEFT JOIN account_group a ON a.account_id = m.account_id AND a.group_id = m.group_id
			WHERE m.group_id = $1 AND a.account_id IS NULL`,
		"entries of accounts' lists without a member": `SELECT count(*) FROM account_group a
			LEFT JOIN group_member m ON a.account_id = m.account_id AND a.group_id = m.group_id
			WHERE a.group_id = $1 AND m.account_id IS NULL`,
		"subgroups with a wrong count": `SELECT count(*) FROM subgroup s WHERE s.group_id = $1 AND s.member_count <>
			(SELECT count(*) FROM group_member m WHERE m.group_id = $1 AND m.subgroup_id = s.id)`,
		"members of a subgroup that is not there": `SELECT count(*) FROM group_member m
			LEFT JOIN subgroup s ON s.group_id = m.group_id AND s.id = m.subgroup_id
			WHERE m.group_id = $1 AND m.subgroup_id <> 0 AND s.id IS NULL`,
		"default subgroups beside the first": `SELECT CASE WHEN count(*) > 1 THEN count(*) - 1 ELSE 0 END FROM subgroup
			WHERE group_id = $1 AND CASE WHEN is_default THEN 1 ELSE 0 END = 1`,
		"owners beside the one": `SELECT count(*) - 1 FROM group_member WHERE group_id = $1 AND role = 3`,
		"owners who are not the group's": `SELECT count(*) FROM group_member m JOIN grp g ON g.id = m.group_id
			WHERE m.group_id = $1 AND m.role = 3 AND g.owner_id <> m.account_id`,
	} {
		if n := c.Int(sql, id); n != 0 {
			c.t.Errorf("group %d: %s: %d", id, what, n)
		}
	}
}

// Copy makes a second database with the same content, while nobody has the
// first one open: in newDir, or at newURL, where there is an empty one.
func Copy(t testing.TB, dir, url, newDir, newURL string) {
	t.Helper()
	if err := os.CopyFS(newDir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if url == "" {
		return
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := pgx.ParseConfig(newURL)
	if err != nil {
		t.Fatal(err)
	}
	from, to := cfg.Database, fresh.Database
	cfg.Database = "postgres"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range []string{
		"DROP DATABASE " + pgx.Identifier{to}.Sanitize(),
		"CREATE DATABASE " + pgx.Identifier{to}.Sanitize() + " TEMPLATE " + pgx.Identifier{from}.Sanitize(),
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
