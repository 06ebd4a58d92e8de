package pgtest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"muster/internal/pgtest"
)

// childVariable turns this test binary into the process that TestClusterEndsWithAKilledProcess kills.
const childVariable = "MUSTER_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	cluster, err := pgtest.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(cluster.URL())
	time.Sleep(time.Hour) // it is killed long before
}

// start starts a cluster, on machines that can.
func start(t *testing.T) *pgtest.Cluster {
	t.Helper()
	cluster, err := pgtest.Start()
	if pgtest.IsNotInstalled(err) && os.Getenv(pgtest.EnvRequired) == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// connect opens a connection that ends with the test.
func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

func value(t *testing.T, connection *pgx.Conn, query string, arguments ...any) string {
	t.Helper()
	var text string
	if err := connection.QueryRow(t.Context(), query, arguments...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

func TestURLGivesEachTestADatabaseOfItsOwn(t *testing.T) {
	var first string
	t.Run("first", func(t *testing.T) {
		first = pgtest.URL(t)
		connection := connect(t, first)
		if _, err := connection.Exec(t.Context(), "CREATE TABLE here (x int)"); err != nil {
			t.Fatal(err)
		}
		second := connect(t, pgtest.URL(t))
		if got := value(t, second, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); got != "0" {
			t.Errorf("a fresh database holds %s tables", got)
		}
	})
	if _, err := pgx.Connect(t.Context(), first); err == nil {
		t.Error("the database of a finished test is still there")
	}
}

func TestServerKeepsItsPromises(t *testing.T) {
	connection := connect(t, pgtest.URL(t))
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := value(t, connection, "SELECT current_setting($1)", name); got != "on" {
			t.Errorf("%s is %q", name, got)
		}
	}
	if got := value(t, connection, "SELECT current_setting('server_encoding')"); got != "UTF8" {
		t.Errorf("encoding is %s", got)
	}
}

func TestStopLeavesNothingBehind(t *testing.T) {
	cluster := start(t)
	dir := socketDir(t, cluster.URL())
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files are still there: %v", err)
	}
}

// TestClusterEndsWithAKilledProcess kills a process that started a cluster, as a failing test run would be, and waits for
// the cluster's files to go, which its supervisor removes after the server.
func TestClusterEndsWithAKilledProcess(t *testing.T) {
	start(t)
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1")
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	if lines := bufio.NewScanner(output); lines.Scan() {
		address = lines.Text()
	} else {
		t.Fatal("the child started no cluster")
	}
	connect(t, address)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed, and says so
	dir, deadline := socketDir(t, address), time.After(time.Minute)
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the cluster of a killed process is still there after a minute")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func socketDir(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Query().Get("host")
}
