// Package pgtest gives tests a real PostgreSQL: [URL] returns the address of a fresh, empty database that is dropped when
// the test ends.
//
// The server behind it is, in this order: the one that MUSTER_TEST_POSTGRES names; otherwise a private cluster that the
// package starts once per test binary from the PostgreSQL programs of the machine, and that ends with the binary, however
// the binary ends. A run over many packages starts one cluster for all of them with the command in with-postgres, which
// sets that variable.
//
// A private cluster keeps PostgreSQL's promises (fsync and synchronous_commit are on), because tests of durability and
// benchmarks stand on them. Its default collation is a linguistic one where the server can do that, as on most
// production servers: a query that needs the order of bytes has to ask for it.
//
// It is for tests only; no package of the product may import it.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvURL is the environment variable that names the server to use: the URL of a database in which the role may create
// databases.
const EnvURL = "MUSTER_TEST_POSTGRES"

// EnvRequired is the environment variable that, when it is not empty, turns "PostgreSQL is not installed" from a skipped
// test into a failed one.
const EnvRequired = "MUSTER_TEST_POSTGRES_REQUIRED"

// adminTimeout bounds creating or dropping one database. It is generous because a machine under test is a busy one.
const adminTimeout = 2 * time.Minute

// URL creates an empty database for the test and returns its address, for [pgx.Connect] and friends. The database is
// dropped, with whoever is still connected to it, when the test and its subtests are over. Without PostgreSQL on the
// machine the test is skipped, or fails if [EnvRequired] is set.
func URL(t testing.TB) string {
	t.Helper()
	server, err := serverURL()
	if err != nil {
		if os.Getenv(EnvURL) == "" && os.Getenv(EnvRequired) == "" && IsNotInstalled(err) {
			t.Skipf("pgtest: %v", err)
		}
		t.Fatalf("pgtest: %v", err)
	}
	name := "muster_test_" + strings.ToLower(rand.Text())
	database, err := withDatabase(server, name)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if err := admin(server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return database
}

// serverURL returns the address of the server's administrative database, and starts the private cluster when the
// environment names no server. The cluster is never stopped by hand: it watches for the end of this process.
var serverURL = sync.OnceValues(func() (string, error) {
	if named := os.Getenv(EnvURL); named != "" {
		return named, nil
	}
	cluster, err := Start()
	if err != nil {
		return "", err
	}
	// Once it is out of reach, the garbage collector closes its leash, and the server stops in the middle of a test.
	private = cluster
	return cluster.URL(), nil
})

// private is the cluster of this process, if it has one.
var private *Cluster //nolint:unused // keeps it from the garbage collector, which would end it

// withDatabase returns the address server with the name of its database replaced.
func withDatabase(server, name string) (string, error) {
	address, err := url.Parse(server)
	if err != nil || (address.Scheme != "postgres" && address.Scheme != "postgresql") {
		return "", fmt.Errorf("%s is not a postgres:// URL", EnvURL)
	}
	address.Path = "/" + name
	return address.String(), nil
}

// admin runs one statement outside a transaction on a connection of its own.
func admin(server, statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	connection, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := connection.Close(ctx); err == nil {
			err = closeErr
		}
	}()
	if _, err := connection.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
