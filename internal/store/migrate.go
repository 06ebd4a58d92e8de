package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed schema
var schemaFiles embed.FS

// The schemas: the core on both databases, and the message log, which differs.
const (
	coreSchema        = "schema"
	sqliteLogSchema   = "schema/log_sqlite"
	postgresLogSchema = "schema/log_postgres"
)

// migration is one file of a schema, applied once and never changed afterwards
// (TestSchemaIsAppendOnly holds their hashes).
type migration struct {
	number int
	name   string
	text   string
}

// migrations lists the files of a schema in order and refuses gaps.
func migrations(schema string) ([]migration, error) {
	names, err := fs.Glob(schemaFiles, schema+"/*.sql")
	if err != nil {
		return nil, err
	}
	var ms []migration
	for i, path := range names { // Glob sorts
		name := strings.TrimSuffix(strings.TrimPrefix(path, schema+"/"), ".sql")
		digits, _, _ := strings.Cut(name, "_")
		number, err := strconv.Atoi(digits)
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("store: schema file %s should be number %04d", path, i+1)
		}
		text, err := schemaFiles.ReadFile(path)
		if err != nil {
			return nil, err
		}
		ms = append(ms, migration{number, name, string(text)})
	}
	return ms, nil
}

// migrateTries is how often migrate begins again when another node, which
// starts at the same moment, was faster.
const migrateTries = 5

// migrate brings a database to the newest version of a schema, in one
// transaction, and refuses a database that a newer program has written.
func migrate(ctx context.Context, b backend, schema string) error {
	ms, err := migrations(schema)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := migrateOnce(ctx, b, schema, ms)
		if err == nil || !isConflict(err) || try == migrateTries {
			return err
		}
	}
}

func migrateOnce(ctx context.Context, b backend, schema string, ms []migration) error {
	return b.write(ctx, func(c conn) error {
		if _, err := c.exec(fill(b, `CREATE TABLE IF NOT EXISTS schema_version (
			part {{text}} NOT NULL, number {{int}} NOT NULL, name {{text}} NOT NULL, PRIMARY KEY (part, number)){{clustered}}`)); err != nil {
			return err
		}
		at, err := oneInt(c, "SELECT coalesce(max(number), 0) FROM schema_version WHERE part = $1", schema)
		if err != nil {
			return err
		}
		if at > int64(len(ms)) {
			return fmt.Errorf("the database has version %d of its schema, this program knows %d: run a newer muster, or restore an older backup", at, len(ms))
		}
		for _, m := range ms[at:] {
			if err := m.apply(c, b, schema); err != nil {
				return fmt.Errorf("schema %s: %w", m.name, err)
			}
		}
		return nil
	})
}

func (m migration) apply(c conn, b backend, schema string) error {
	for _, stmt := range statements(fill(b, m.text)) {
		if _, err := c.exec(stmt); err != nil {
			return fmt.Errorf("%w in %q", err, stmt)
		}
	}
	_, err := c.exec("INSERT INTO schema_version (part, number, name) VALUES ($1, $2, $3)", schema, m.number, m.name)
	return err
}

// fill puts a database's own words in the place of {{int}}, {{text}}, {{blob}},
// {{bool}}, {{clustered}} (a table that is stored in the order of its key) and
// {{table}} (any other).
func fill(b backend, text string) string {
	for k, v := range b.words() {
		text = strings.ReplaceAll(text, "{{"+k+"}}", v)
	}
	return text
}

// statements splits a schema file at the semicolons that end a line. Comments
// begin with -- and have their lines to themselves.
func statements(text string) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		b.WriteString(line)
		if strings.HasSuffix(trimmed, ";") {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(b.String()), ";"))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		out = append(out, rest)
	}
	return out
}
