//go:build linux

package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"muster/internal/load/proc"
)

// node is one server process, started here or running already.
type node struct {
	*child
	process int // its id; 0: unknown
	url     string
	ops     string // the address of its profiles; empty: none
	setup   string // the one-time token of its owner
	ready   time.Duration
}

// target is where clients connect to.
func (n *node) target() string {
	u, err := url.Parse(n.url)
	if err != nil {
		return ""
	}
	return strings.Replace(u.Host, "localhost", "127.0.0.1", 1)
}

// freePort gives a port that nobody uses now.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// place is where a measurement keeps what its servers store.
type place struct {
	dir      string
	database string // of PostgreSQL; empty: SQLite
	remove   func() error
}

// makePlace makes the data directory and the database. The directory of a
// measurement before is used again.
func makePlace(ctx context.Context, set *Settings) (p *place, err error) {
	p = &place{dir: set.Data, remove: func() error { return nil }}
	if p.dir == "" {
		if p.dir, err = os.MkdirTemp("", "muster-load-"); err != nil {
			return nil, err
		}
		p.remove = func() error { return os.RemoveAll(p.dir) }
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	if set.postgres() == "" {
		return p, nil
	}
	name := "muster_load_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if set.Data != "" { // a name that is found again
		name = "muster_load_" + strings.Map(letters, filepath.Base(set.Data))
	}
	u, err := url.Parse(set.postgres())
	if err != nil {
		return nil, err
	}
	u.Path = "/" + name
	p.database = u.String()
	if err := statement(ctx, set.postgres(), "CREATE DATABASE "+name); err != nil && set.Data == "" {
		return nil, errors.Join(err, p.remove())
	}
	if set.Data == "" {
		removeDir := p.remove
		p.remove = func() error {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			return errors.Join(removeDir(), statement(last, set.postgres(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"))
		}
	}
	return p, nil
}

func letters(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		return r
	case r >= 'A' && r <= 'Z':
		return r + 'a' - 'A'
	default:
		return '_'
	}
}

// statement runs one statement on a connection of its own.
func statement(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// serveAll starts the nodes, or takes those that run already.
func serveAll(ctx context.Context, set *Settings, p *place) (nodes []*node, err error) {
	if len(set.URL) > 0 {
		for i, u := range set.URL {
			n := &node{url: u}
			if i < len(set.PID) {
				n.process = set.PID[i]
			}
			nodes = append(nodes, n)
		}
		return nodes, nil
	}
	routes := make([]string, set.Nodes)
	for i := range routes {
		if routes[i], err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	for i := range set.Nodes {
		n, err := startNode(ctx, set, p, i, routes)
		if err != nil {
			return nil, errors.Join(err, stopAll(nodes))
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func stopAll(nodes []*node) error {
	var errs []error
	for _, n := range nodes {
		if n.child != nil {
			errs = append(errs, n.stop())
		}
	}
	return errors.Join(errs...)
}

// startNode starts `muster serve`. The limits that keep one client from being
// a load are lifted, unless the settings say otherwise.
func startNode(ctx context.Context, set *Settings, p *place, i int, routes []string) (*node, error) {
	ops, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{
		serveRole, "--json", "--listen=127.0.0.1:0", "--data=" + filepath.Join(p.dir, "node"+strconv.Itoa(i)), "--ops.listen=" + ops,
		"--log.level=warn", "--live.messages_per_second=1000000", "--live.burst=1000000",
		"--enrolment.per_group=1000", "--enrolment.per_requester=1000",
	}
	if !set.Admission {
		args = append(args, "--live.handshakes_per_second=0")
	}
	if p.database != "" {
		args = append(args, "--database="+p.database)
	}
	if len(routes) > 1 {
		args = append(args, "--bus.kind=nats", "--bus.cluster_listen="+routes[i], "--bus.cluster_routes="+strings.Join(routes, ","))
	}
	for _, s := range set.Serve {
		args = append(args, "--"+s)
	}
	var env []string
	if set.ServerProcs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(set.ServerProcs))
	}
	begun := time.Now()
	n := &node{ops: ops}
	if n.child, err = startChild(ctx, set.ServerCPUs, env, nil, args...); err != nil {
		return nil, err
	}
	n.process = n.pid()
	out := bufio.NewReader(n.out)
	line, err := out.ReadBytes('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server does not start: %w", err), n.stop())
	}
	var said struct{ URL, SetupLink string }
	if err := json.Unmarshal(line, &said); err != nil {
		return nil, errors.Join(fmt.Errorf("the server says %q: %w", line, err), n.stop())
	}
	_, n.setup, _ = strings.Cut(said.SetupLink, "#")
	n.url = said.URL
	return n, n.awaitReady(ctx, set.Patience, begun)
}

// awaitReady waits until the node takes requests.
func (n *node) awaitReady(ctx context.Context, patience time.Duration, begun time.Time) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close() // there is nothing in it
			if resp.StatusCode == http.StatusOK {
				n.ready = time.Since(begun)
				return nil
			}
		}
		if time.Since(begun) > patience {
			return errors.Join(errors.New("the server does not become ready"), err, n.stop())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stop ends the node in its own order, or at once if that takes too long.
func (n *node) stop() error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	late := time.AfterFunc(20*time.Second, func() { _ = n.cmd.Process.Kill() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, n.out) // until it ends
	return errors.Join(n.in.Close(), n.cmd.Wait())
}

// cpuOf is the processor time of all nodes.
func cpuOf(nodes []*node) (sum proc.CPU) {
	for _, n := range nodes {
		if n.process == 0 {
			continue
		}
		if one, err := proc.CPUOf(n.process); err == nil {
			sum = sum.Add(one)
		}
	}
	return sum
}

// memoryOf is the memory of all nodes.
func memoryOf(nodes []*node) (sum proc.Memory) {
	for _, n := range nodes {
		if n.process == 0 {
			continue
		}
		m := proc.MemoryOf(n.process)
		sum.Resident += m.Resident
		sum.Anonymous += m.Anonymous
		sum.Share += m.Share
		sum.Peak += m.Peak
	}
	return sum
}

// heapOf collects the garbage of the nodes, and gives what is left on their heaps
// and what their goroutines' stacks take, in bytes.
func heapOf(ctx context.Context, nodes []*node) (heap, stacks int64) {
	for _, n := range nodes {
		if n.ops == "" {
			continue
		}
		body, err := n.profile(ctx, "/debug/pprof/heap?gc=1&debug=1")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(body)) {
			name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), " = ")
			first, _, _ := strings.Cut(value, " ")
			bytes, err := strconv.ParseInt(first, 10, 64)
			if !ok || err != nil {
				continue
			}
			switch name {
			case "HeapAlloc":
				heap += bytes
			case "Stack":
				stacks += bytes
			}
		}
	}
	return heap, stacks
}

// profile fetches a page of the node's profiles.
func (n *node) profile(ctx context.Context, page string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.ops+page, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return body, errors.Join(err, resp.Body.Close())
}
