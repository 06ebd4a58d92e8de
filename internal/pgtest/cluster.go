package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout bounds the time from the start of the server to its first answer.
const startTimeout = time.Minute

// supervisor is the shell script around the server. It stops the server and removes its files as soon as its standard
// input ends, which the operating system sees to when the process that started it dies, even by SIGKILL. Shutdown is
// immediate (SIGQUIT), for nobody will read this data again.
const supervisor = `
"$1" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$2"
`

// settings are the lines of postgresql.conf that differ from the default. The socket directory is added to them.
const settings = `
listen_addresses = ''
port = 5432
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 4GB
min_wal_size = 2GB
autovacuum = on
log_min_messages = warning
`

// Cluster is a private PostgreSQL server with its files in a temporary directory. Only its Unix socket is open, in a
// directory that only the user who runs it, and root, may enter.
type Cluster struct {
	dir        string
	supervisor *exec.Cmd
	leash      io.Closer // the supervisor's standard input; closing it ends the server
}

// Start creates and starts a cluster, and returns when it answers. The cluster ends with [Cluster.Stop], or else with
// this process. When PostgreSQL is not there, [IsNotInstalled] is true of the error.
func Start() (*Cluster, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	owner, err := ownerWhenRoot()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir(owner)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{dir: dir}
	if err := cluster.start(programs, owner); err != nil {
		// The server's own words go into the error: the directory is about to be removed.
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, errors.Join(fmt.Errorf("start a private PostgreSQL: %w\n%s", err, bytes.TrimSpace(log)), cluster.Stop())
	}
	return cluster, nil
}

func (c *Cluster) start(programs string, owner *syscall.Credential) error {
	if err := c.initialise(programs, owner); err != nil {
		return err
	}
	c.supervisor = exec.Command("/bin/sh", "-c", supervisor, "muster-postgres", filepath.Join(programs, "postgres"), c.dir) //nolint:noctx // lives until its standard input ends
	c.supervisor.Dir = c.dir
	// A session of its own: an interrupt typed at the terminal reaches the tests first, and they let go of the leash.
	c.supervisor.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setsid: true}
	leash, err := c.supervisor.StdinPipe()
	if err != nil {
		return err
	}
	c.leash = leash
	if err := c.supervisor.Start(); err != nil {
		return err
	}
	return c.awaitAnswer()
}

// initialise runs initdb, and repeats it with the C locale where the server was built without ICU.
func (c *Cluster) initialise(programs string, owner *syscall.Credential) error {
	arguments := []string{
		"--pgdata=" + filepath.Join(c.dir, "data"), "--username=muster", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync",
	}
	linguistic := append(slices.Clone(arguments), "--locale-provider=icu", "--icu-locale=en-US")
	initdb := func(arguments []string) error {
		command := exec.Command(filepath.Join(programs, "initdb"), arguments...) //nolint:noctx // takes a second and ends by itself
		command.Dir = c.dir
		command.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, bytes.TrimSpace(output))
		}
		return nil
	}
	if initdb(linguistic) != nil {
		if err := initdb(arguments); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(filepath.Join(c.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%sunix_socket_directories = '%s'\n", settings, c.dir)
	return errors.Join(err, file.Close())
}

// awaitAnswer returns when the server answers a query, or an error when it ended or took too long.
func (c *Cluster) awaitAnswer() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		connection, err := pgx.Connect(ctx, c.URL())
		if err == nil {
			return connection.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// URL returns the address of the cluster's administrative database; its role is a superuser.
func (c *Cluster) URL() string {
	query := url.Values{"host": {c.dir}, "port": {"5432"}}
	return (&url.URL{Scheme: "postgres", User: url.User("muster"), Path: "/postgres", RawQuery: query.Encode()}).String()
}

// Stop ends the server and removes its files. It returns when both are done.
func (c *Cluster) Stop() error {
	if c.leash != nil {
		// An error here means that the pipe is closed already, which is all that is wanted.
		_ = c.leash.Close()
		// The supervisor's exit status is that of rm, which the next line repeats with a proper error.
		_ = c.supervisor.Wait()
	}
	return os.RemoveAll(c.dir)
}

// errNotInstalled is matched by IsNotInstalled.
var errNotInstalled = errors.New("PostgreSQL is not installed (on Debian: apt-get install postgresql)")

// IsNotInstalled reports whether err of [Start] says that the machine has no PostgreSQL programs.
func IsNotInstalled(err error) bool { return errors.Is(err, errNotInstalled) }

// findPrograms returns the directory that holds initdb and postgres: the newest version under Debian's directory,
// otherwise wherever the search path has them.
func findPrograms() (string, error) {
	candidates, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(candidates, func(a, b string) int { return version(b) - version(a) })
	if initdb, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, filepath.Dir(initdb))
	}
	for _, dir := range candidates {
		_, errInit := exec.LookPath(filepath.Join(dir, "initdb"))
		_, errServer := exec.LookPath(filepath.Join(dir, "postgres"))
		if errInit == nil && errServer == nil {
			return dir, nil
		}
	}
	return "", errNotInstalled
}

// ownerWhenRoot returns the unprivileged user that has to run the server when this process is root, because PostgreSQL
// refuses root; otherwise nil.
func ownerWhenRoot() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(account.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(account.Gid, 10, 32)
		if err := errors.Join(errUID, errGID); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

// makeDir makes the cluster's directory, which also holds its socket. It is made in /tmp when the usual place is too
// long for a socket's name (107 bytes), or closed to the owner.
func makeDir(owner *syscall.Credential) (string, error) {
	parent := os.TempDir()
	if owner != nil && !isOpen(parent) || len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "muster-postgres-")
	if err != nil || owner == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// isOpen says whether everybody may go into a directory, through all those above it.
func isOpen(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		above := filepath.Dir(dir)
		if above == dir {
			return true
		}
		dir = above
	}
}
