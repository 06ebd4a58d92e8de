package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli"
	"muster/internal/cli/remote"
	"muster/internal/client"
	"muster/internal/pgtest"
)

// deadline is how long a script waits for a server: generous, because a machine
// under test is a busy one. Nothing passes by waiting.
const deadline = 2 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"muster": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs the command line as people do, against a real server on real
// sockets.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

func runScripts(t *testing.T, dir string, environ ...string) {
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, Deadline: time.Now().Add(8 * time.Minute),
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "cfg"))
			e.Setenv("LANG", "C")
			e.Vars = append(e.Vars, environ...)
			e.Values[serversKey{}] = map[string]*serverProcess{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": serve, "halt": halt, "twice": twice, "equal": equal, "claim": claim, "exits": exits, "json": jsonField, "load": load, "people": people, "mode": mode,
			"present": present, "say": say, "atleast": atLeast, "damage": damage,
		},
	})
}

// TestDemoOnPostgres gives the demo on the other database.
func TestDemoOnPostgres(t *testing.T) {
	dir := t.TempDir()
	script := "exec muster demo --people 300\nstdout '74 numbers were compared with what was expected: all are right'\nstdout PostgreSQL\n"
	if err := os.WriteFile(filepath.Join(dir, "demo_postgres.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, dir, "MUSTER_DATABASE_URL="+pgtest.URL(t))
}

type serversKey struct{}

// serverProcess is a server in the background.
type serverProcess struct {
	cmd    *exec.Cmd
	dir    string
	out    bytes.Buffer
	mu     sync.Mutex // guards out while the process lives
	ended  chan struct{}
	result error
}

// Write implements io.Writer for the process's output.
func (s *serverProcess) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *serverProcess) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func serversOf(ts *testscript.TestScript) map[string]*serverProcess {
	servers, ok := ts.Value(serversKey{}).(map[string]*serverProcess)
	if !ok {
		ts.Fatalf("the script was not set up")
	}
	return servers
}

// serve DIR [flags]: starts a server on a data directory and waits until it is
// ready. DIR names it for halt.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve DIR [flags]")
	}
	var path string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "muster"); path == "" && exists(p) {
			path = p
		}
	}
	s := &serverProcess{dir: ts.MkAbs(args[0]), ended: make(chan struct{})}
	s.cmd = exec.Command(path, append([]string{"serve", "--data", s.dir, "--listen", "127.0.0.1:0"}, args[1:]...)...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = ts.Getenv("WORK"), s, s
	s.cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "MUSTER_DATABASE_URL=" + ts.Getenv("MUSTER_DATABASE_URL")}
	if ts.Getenv("MUSTER_DATABASE_URL") == "" {
		s.cmd.Env = s.cmd.Env[:2]
	}
	ts.Check(s.cmd.Start())
	go func() {
		s.result = s.cmd.Wait()
		close(s.ended)
	}()
	ts.Defer(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		ts.Logf("server on %s:\n%s", args[0], s.output())
	})
	serversOf(ts)[args[0]] = s
	url := s.ready(ts)
	ts.Setenv("URL", url)
	ts.Setenv("ADDRESS", strings.TrimPrefix(url, "http://"))
	ts.Setenv("MUSTER_SERVER_DATA", s.dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ready polls until the server takes requests, and gives its address.
func (s *serverProcess) ready(ts *testscript.TestScript) string {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	for {
		address, err := os.ReadFile(filepath.Join(s.dir, remote.AddressName))
		if err == nil {
			url := strings.TrimSpace(string(address))
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
			ts.Check(err)
			if answer, err := http.DefaultClient.Do(request); err == nil {
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					return url
				}
			}
		}
		select {
		case <-s.ended:
			ts.Fatalf("the server ended (%v):\n%s", s.result, s.output())
		case <-ctx.Done():
			ts.Fatalf("the server is not ready:\n%s", s.output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// halt DIR [SIGNAL]: ends a server and waits; it must end well unless it is
// killed.
func halt(ts *testscript.TestScript, _ bool, args []string) {
	s := serversOf(ts)[args[0]]
	signal := syscall.SIGTERM
	if len(args) > 1 && args[1] == "KILL" {
		signal = syscall.SIGKILL
	}
	ts.Check(s.cmd.Process.Signal(signal))
	select {
	case <-s.ended:
	case <-time.After(deadline):
		ts.Fatalf("the server does not stop:\n%s", s.output())
	}
	if signal == syscall.SIGTERM && s.result != nil {
		ts.Fatalf("the server ended with %v:\n%s", s.result, s.output())
	}
}

// twice DIR: a request that does not come to its end keeps a server from stopping
// after one signal; a second one ends it at once.
func twice(ts *testscript.TestScript, _ bool, args []string) {
	s := serversOf(ts)[args[0]]
	conn, err := net.Dial("tcp", ts.Getenv("ADDRESS"))
	ts.Check(err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /muster.v1.AccountService/Login HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/json\r\nContent-Length: 10\r\n\r\n", ts.Getenv("ADDRESS"))
	ts.Check(err)
	line, err := bufio.NewReader(conn).ReadString('\n') // the handler reads the body: the request is under way
	ts.Check(err)
	if !strings.Contains(line, "100") {
		ts.Fatalf("the server answers %q", line)
	}
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	for until := time.Now().Add(deadline); !strings.Contains(s.output(), "stopping"); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			ts.Fatalf("it does not begin to stop:\n%s", s.output())
		}
	}
	select {
	case <-s.ended:
		ts.Fatalf("it did not wait for the request:\n%s", s.output())
	default:
	}
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	<-s.ended
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		ts.Fatalf("it ended by itself (%v) and not by the second signal:\n%s", s.result, s.output())
	}
}

// linkPattern is the one-time link in a server's output.
var linkPattern = regexp.MustCompile(`http\S+/setup#\S+`)

// claim DIR NAME: makes the owner with the link that the server printed.
func claim(ts *testscript.TestScript, _ bool, args []string) {
	s := serversOf(ts)[args[0]]
	link := linkPattern.FindString(s.output())
	if link == "" {
		ts.Fatalf("the server printed no link:\n%s", s.output())
	}
	ts.Setenv("MUSTER_PASSWORD", "a sufficiently long phrase")
	ts.Check(ts.Exec("muster", "account", "claim", link, args[1], "--password=env"))
	ts.Setenv("LINK", link)
}

// exits CODE COMMAND...: the exact exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, expected %s", got, args[0])
	}
}

// json VAR PATH: the field of the last line of JSON on stdout, such as
// counts.added, into a variable.
func jsonField(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	decoder := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	decoder.UseNumber()
	var value any
	ts.Check(decoder.Decode(&value))
	for name := range strings.SplitSeq(args[1], ".") {
		object, ok := value.(map[string]any)
		if !ok || object[name] == nil {
			ts.Fatalf("there is no %s in %s", args[1], lines[len(lines)-1])
		}
		value = object[name]
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// people FILE N LEVEL: a CSV file of N people.
func people(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("account,nickname,level\n")
	for i := range n {
		fmt.Fprintf(&b, "p%05d,Person %d,%s\n", i, i, args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// mode FILE BITS: the permissions of a file.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s", args[0], got)
	}
}

// local is a way to the server that was started last.
func local(ts *testscript.TestScript) *remote.Remote {
	return remote.Socket(filepath.Join(ts.Getenv("MUSTER_SERVER_DATA"), remote.SocketName), remote.Options{})
}

// present CHANNEL N: waits until so many people are in the room.
func present(ts *testscript.TestScript, _ bool, args []string) {
	r := local(ts)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	id, err := r.Channel(ctx, args[0])
	ts.Check(err)
	for {
		answer, err := r.Channels.ListPresent(ctx, connect.NewRequest(&musterv1.ListPresentRequest{ChannelId: id}))
		ts.Check(err)
		if strconv.FormatInt(answer.Msg.GetTotal(), 10) == args[1] {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// say CHANNEL TEXT: the owner says something in the room.
func say(ts *testscript.TestScript, _ bool, args []string) {
	r := local(ts)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	id, err := r.Channel(ctx, args[0])
	ts.Check(err)
	token, err := r.Token(ctx)
	ts.Check(err)
	live, err := client.Dial(ctx, client.Options{URL: ts.Getenv("URL"), Token: token})
	ts.Check(err)
	defer live.Close()
	_, err = live.Enter(ctx, muster.ChannelID(id))
	ts.Check(err)
	_, err = live.Say(ctx, muster.ChannelID(id), strings.ReplaceAll(args[1], `\x1b`, "\x1b"))
	ts.Check(err)
}

// equal A B: A is B.
func equal(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] != args[1] {
		ts.Fatalf("%s is not %s", args[0], args[1])
	}
}

// atleast A B: A is not less than B.
func atLeast(ts *testscript.TestScript, _ bool, args []string) {
	a, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	b, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if a < b {
		ts.Fatalf("%d is less than %d", a, b)
	}
}

// damage PATTERN: overwrites a piece of the first file that fits.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	ts.Check(err)
	_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, 64), 8)
	ts.Check(errors.Join(err, f.Close()))
}

// loading is senders at work.
type loading struct {
	mu    sync.Mutex
	acked int64 // the greatest seq that was acknowledged
	err   error
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// load start DIR GROUP: eight senders send as fast as they can. load mark VAR:
// the greatest seq acknowledged by now, after at least 50 more. load stop.
func load(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "start" {
		l := &loading{}
		var ctx context.Context
		ctx, l.stop = context.WithCancel(context.Background())
		group, err := strconv.ParseInt(args[2], 10, 64)
		ts.Check(err)
		for i := range 8 {
			l.done.Go(func() { l.send(ctx, ts.MkAbs(args[1]), group, i) })
		}
		loads.Store(ts, l)
		ts.Defer(func() { l.stop(); l.done.Wait() })
		return
	}
	value, _ := loads.Load(ts)
	l, ok := value.(*loading)
	if !ok {
		ts.Fatalf("no load was started")
	}
	switch args[0] {
	case "mark":
		ts.Setenv(args[1], strconv.FormatInt(l.mark(ts), 10))
	case "stop":
		l.stop()
		l.done.Wait()
	}
}

// loads holds the load of each script.
var loads sync.Map

func (l *loading) send(ctx context.Context, dir string, group int64, number int) {
	r := remote.Socket(filepath.Join(dir, remote.SocketName), remote.Options{})
	defer r.Close()
	for i := 0; ctx.Err() == nil; i++ {
		answer, err := r.Groups.Send(ctx, connect.NewRequest(&musterv1.SendRequest{
			GroupId: group, ClientMessageId: fmt.Sprintf("load-%d-%d", number, i), Text: "under load",
		}))
		l.mu.Lock()
		switch {
		case err == nil:
			l.acked = max(l.acked, answer.Msg.GetSeq())
		case ctx.Err() == nil:
			l.err = err
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// mark waits for fifty more acknowledgements.
func (l *loading) mark(ts *testscript.TestScript) int64 {
	from := int64(-1)
	for until := time.Now().Add(deadline); time.Now().Before(until); time.Sleep(time.Millisecond) {
		l.mu.Lock()
		acked, err := l.acked, l.err
		l.mu.Unlock()
		ts.Check(err)
		if from < 0 {
			from = acked
		}
		if acked >= from+50 {
			return acked
		}
	}
	ts.Fatalf("the senders get no acknowledgements")
	return 0
}
