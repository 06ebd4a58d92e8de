package doctor

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// connectPatience is how long PostgreSQL may take to answer.
const connectPatience = 10 * time.Second

// postgres looks at the settings of PostgreSQL on which promises rest.
func (x *examination) postgres(ctx context.Context) []Result {
	const check = "PostgreSQL"
	if x.Config.Database.SQLite() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	c, err := pgx.Connect(ctx, x.Config.Database.URL.Reveal())
	if err != nil {
		return []Result{fail(check, "check database.url, and that PostgreSQL runs and lets this user in", "cannot be reached: %v", err)}
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // nothing was changed
	values := map[string]string{}
	for _, name := range []string{"server_version", "fsync", "synchronous_commit", "full_page_writes", "max_connections", "in_hot_standby"} {
		var value string
		if err := c.QueryRow(ctx, "SELECT coalesce(current_setting($1, true), '')", name).Scan(&value); err != nil {
			return []Result{fail(check, "", "cannot be asked: %v", err)}
		}
		values[name] = value
	}
	results := []Result{ok(check, "version %s", values["server_version"])}
	results = append(results, promises(values)...)
	return append(results, x.room(values["max_connections"]))
}

// promises checks what makes an acknowledged message durable.
func promises(values map[string]string) []Result {
	var results []Result
	for _, name := range []string{"fsync", "full_page_writes"} {
		if values[name] != "on" {
			results = append(results, fail("PostgreSQL "+name, "set "+name+" = on and reload", "is %s: a power cut loses acknowledged messages", values[name]))
		}
	}
	switch s := values["synchronous_commit"]; s {
	case "on", "remote_apply", "remote_write", "local":
	default:
		results = append(results, fail("PostgreSQL synchronous_commit", "set synchronous_commit = on for this user or database", "is %s: a crash loses acknowledged messages", s))
	}
	if values["in_hot_standby"] == "on" {
		results = append(results, fail("PostgreSQL role", "point database.url at the primary", "this is a standby: it takes no writes"))
	}
	if len(results) == 0 {
		results = append(results, ok("PostgreSQL durability", "fsync on, synchronous_commit %s", values["synchronous_commit"]))
	}
	return results
}

// room checks that the connections that a node takes are there.
func (x *examination) room(maxConnections string) Result {
	const check = "PostgreSQL connections"
	have, err := strconv.Atoi(maxConnections)
	want := x.Config.Database.MaxConnections
	if err == nil && have < want+5 {
		return warn(check, "raise max_connections, or lower database.max_connections", "%d of them, this node alone takes up to %d", have, want)
	}
	return ok(check, "%s, this node takes up to %d", maxConnections, want)
}
