package store

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster"
	"muster/internal/group"
	"muster/internal/journal"
)

// brokenJournal is a journal whose syncs fail from some moment on, as after an
// EIO: what was written then may be found after a restart, or not.
type brokenJournal struct {
	logJournal
	broken atomic.Bool
	loses  bool // what is appended after the failure
}

var errNoSync = fmt.Errorf("%w: %w", journal.ErrPoisoned, syscall.EIO)

func (b *brokenJournal) Append(records [][]byte) (journal.Position, error) {
	if !b.broken.Load() {
		return b.logJournal.Append(records)
	}
	if !b.loses {
		if _, err := b.logJournal.Append(records); err != nil {
			return 0, err
		}
		b.loses = true // a poisoned journal takes no more
	}
	return 0, errNoSync
}

func (b *brokenJournal) Err() error {
	if b.broken.Load() {
		return errNoSync
	}
	return b.logJournal.Err()
}

func sqliteLogOf(t testing.TB, s *Store) *sqliteLog {
	t.Helper()
	l, ok := s.log.(*sqliteLog)
	if !ok {
		t.Fatalf("the log is a %T", s.log)
	}
	return l
}

// TestLogStopsWhenTheDiskFails: after a failed sync nothing is acknowledged any
// more, the store says so, what was acknowledged is there after a restart, and
// what was not can be sent again.
func TestLogStopsWhenTheDiskFails(t *testing.T) {
	t.Parallel()
	for _, loses := range []bool{false, true} {
		t.Run(fmt.Sprintf("loses=%v", loses), func(t *testing.T) {
			t.Parallel()
			opt := Options{Dir: t.TempDir(), Clock: muster.ClockFunc(time.Now)}
			s, err := Open(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			l := sqliteLogOf(t, s)
			b := &brokenJournal{logJournal: l.journal, loses: loses}
			l.journal = b
			stop := runStore(t, s)
			const senders = 16
			for g := range 5 {
				addGroup(t, s, muster.GroupID(g+1), senders, 1)
			}
			acks := make([][]acked, senders)
			failed := make([][]group.Draft, senders)
			var done atomic.Int64
			var wg sync.WaitGroup
			for i := range senders {
				wg.Go(func() {
					for n := 0; len(failed[i]) < 3; n++ {
						d := textDraft(muster.GroupID(n%5+1), muster.AccountID(i+1), fmt.Sprint(n), fmt.Sprint("text ", n))
						r, err := s.Log().Append(t.Context(), d)
						switch {
						case err == nil:
							acks[i] = append(acks[i], acked{d, r})
							if done.Add(1) == 300 {
								b.broken.Store(true)
							}
						case muster.CodeOf(err) != muster.CodeUnavailable:
							t.Errorf("append: %v", err)
							return
						default:
							failed[i] = append(failed[i], d)
						}
					}
				})
			}
			wg.Wait()
			if err := s.Healthy(); muster.CodeOf(orNone(err)) != muster.CodeUnavailable {
				t.Errorf("the store is healthy: %v", err)
			}
			stop()

			s, _ = startStoreUntil(t, opt)
			if err := s.Healthy(); err != nil {
				t.Errorf("after the restart: %v", err)
			}
			for i := range senders {
				checkStanding(t, s, acks[i])
				for _, d := range failed[i] {
					if _, err := s.Log().Append(t.Context(), d); err != nil {
						t.Errorf("send again: %v", err)
					}
				}
			}
			for g := range 5 {
				ids := make(map[string]bool)
				for _, m := range readAll(t, s, muster.GroupID(g+1)) {
					if key := fmt.Sprint(m.Sender, " ", m.ClientID); ids[key] {
						t.Errorf("group %d has %q twice", g+1, key)
					} else {
						ids[key] = true
					}
				}
			}
		})
	}
}

// TestLogWaitsForItsDatabase: while log.db cannot be written messages are taken
// until the tail is full, then refused; afterwards everything goes on by itself.
func TestLogWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir()})
	l := sqliteLogOf(t, s)
	addGroup(t, s, 1, 1, 1)
	rename := func(from, to string) {
		t.Helper()
		if err := l.db.write(t.Context(), func(c conn) error {
			_, err := c.exec("ALTER TABLE " + from + " RENAME TO " + to)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	rename("message_key", "hidden")
	text := strings.Repeat("x", maxText)
	var acks []acked
	for n := 0; ; n++ {
		d := textDraft(1, 1, fmt.Sprintf("%06d", n), text)
		r, err := s.Log().Append(t.Context(), d)
		if err != nil {
			if muster.CodeOf(err) != muster.CodeUnavailable {
				t.Fatal(err)
			}
			break
		}
		if acks = append(acks, acked{d, r}); len(acks) > 2*tailBytes/len(text) {
			t.Fatal("the tail has no bound")
		}
	}
	if len(acks) < tailBytes/len(text)/4 {
		t.Errorf("only %d messages were taken", len(acks))
	}
	if err := s.Healthy(); muster.CodeOf(orNone(err)) != muster.CodeUnavailable {
		t.Errorf("the store is healthy: %v", err)
	}
	if err := l.flush(t.Context()); err == nil {
		t.Error("a flush succeeded")
	}
	checkStanding(t, s, acks) // reading goes on
	rename("hidden", "message_key")
	if err := settled(t, s.Healthy); err != nil {
		t.Fatal(err)
	}
	flushLog(t, s)
	d := textDraft(1, 1, "last", "x")
	r, err := s.Log().Append(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	forgetTails(s)
	checkStanding(t, s, append(acks, acked{d, r}))
}

// The child of the tests that kill or starve a process: it works on the store in
// this directory and prints every acknowledgement.
const (
	envChildDir  = "MUSTER_STORE_CHILD_DIR"
	envChildRun  = "MUSTER_STORE_CHILD_RUN"
	envChildFull = "MUSTER_STORE_CHILD_FULL" // after as many acks no file may grow any more
	killWriters  = 8
	killGroups   = 50
)

// TestStoreChild is not a test of its own but the child's main function.
func TestStoreChild(t *testing.T) {
	dir := os.Getenv(envChildDir)
	if dir == "" {
		t.Skip("this is the child process of other tests")
	}
	full, _ := strconv.Atoi(os.Getenv(envChildFull))
	start := time.Now()
	s := startStore(t, Options{Dir: dir})
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(os.Stdout, "\n@"+format+"\n", args...) // the parent may be gone
	}
	say("ready %d", time.Since(start).Milliseconds())
	var count atomic.Int64
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() {
			for n := 0; ; n++ {
				d := childDraft(os.Getenv(envChildRun), w, n)
				r, err := s.Log().Append(t.Context(), d)
				if err != nil {
					say("failed %s", muster.CodeOf(err))
					return
				}
				say("ack %d %d %d %d", w, n, d.Group, r.Seq)
				if count.Add(1) == int64(full) {
					signal.Ignore(syscall.SIGXFSZ)
					if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100_000, Max: 100_000}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for full == 0 { // so that kills hit the applier, too
		if err := sqliteLogOf(t, s).flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	wg.Wait()
	say("healthy %v", s.Healthy() == nil)
	os.Exit(0)
}

// childDraft is the n-th message of a writer, in a group at random.
func childDraft(run string, writer, n int) group.Draft {
	id := muster.GroupID(rand.IntN(killGroups) + 1)
	return textDraft(id, muster.AccountID(writer+1), childID(run, writer, n), strings.Repeat("y", n%500))
}

func childID(run string, writer, n int) string { return fmt.Sprintf("%s-%08d-%d", run, n, writer) }

// childRun starts the child and hands its words to hear until it is gone.
func childRun(t *testing.T, dir, run string, env []string, hear func(words []string), during func(p *os.Process)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoreChild$", "-test.timeout=5m")
	cmd.Env = append(append(os.Environ(), envChildDir+"="+dir, envChildRun+"="+run), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "@")
		if !ok {
			continue
		}
		words := strings.Fields(text)
		hear(words)
		if words[0] == "ready" && during != nil {
			go during(cmd.Process)
		}
	}
	err = cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
}

// childAck reads the words of an acknowledgement. Its last word may have been
// cut off by the kill; then it does not count.
func childAck(t *testing.T, run string, words []string) (a acked, ok bool) {
	t.Helper()
	if words[0] != "ack" || len(words) != 5 {
		return acked{}, false
	}
	var v [4]int
	for i := range v {
		var err error
		if v[i], err = strconv.Atoi(words[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	a.Draft = textDraft(muster.GroupID(v[2]), muster.AccountID(v[0]+1), childID(run, v[0], v[1]), strings.Repeat("y", v[1]%500))
	a.Seq = muster.Seq(v[3])
	return a, true
}

// checkChildAcks looks for the acknowledged messages in the store.
func checkChildAcks(t *testing.T, s *Store, acks []acked) {
	t.Helper()
	for _, a := range acks {
		ms, err := s.Log().Read(t.Context(), group.Range{Group: a.Group, After: a.Seq - 1, UpTo: a.Seq})
		if err != nil || len(ms) != 1 || ms[0].Draft != a.Draft {
			t.Fatalf("acknowledged %+v, but there stands %+v, %v", a, ms, err)
		}
	}
}

// TestLogSurvivesKill is T1: 8 writers to 50 groups are killed at random, again
// and again; nothing acknowledged is missing.
func TestLogSurvivesKill(t *testing.T) {
	t.Parallel()
	kills, messages, longest := 20, 1000, 400*time.Millisecond
	if os.Getenv("MUSTER_SOAK") != "" {
		kills, messages, longest = 200, 100_000, time.Second
	}
	dir := t.TempDir()
	makeChildGroups(t, dir)
	var all []acked
	var slowest int
	for k := 0; k < kills || len(all) < messages; k++ {
		run := fmt.Sprint("r", k)
		var acks []acked
		heard := false
		childRun(t, dir, run, nil, func(words []string) {
			if words[0] == "ready" {
				heard = true
				ms, err := strconv.Atoi(words[1])
				if err != nil {
					t.Fatal(err)
				}
				slowest = max(slowest, ms)
			}
			if words[0] == "failed" {
				t.Errorf("run %d: %v", k, words)
			}
			if a, ok := childAck(t, run, words); ok {
				acks = append(acks, a)
			}
		}, func(p *os.Process) {
			time.Sleep(rand.N(longest))
			_ = p.Kill() // an error says that it has ended, which the acks show
		})
		if !heard {
			t.Fatalf("run %d did not become ready", k)
		}
		all = append(all, acks...)
		s, stop := startStoreUntil(t, Options{Dir: dir})
		checkChildAcks(t, s, acks)
		stop()
	}
	s, stop := startStoreUntil(t, Options{Dir: dir})
	checkChildAcks(t, s, all)
	for g := range killGroups {
		readAll(t, s, muster.GroupID(g+1))
	}
	stop()
	for _, name := range []string{coreFile, logFile} {
		if err := checkIntegrity(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("at least %d kills, %d acknowledged messages, all there; ready within %d ms", kills, len(all), slowest)
}

func makeChildGroups(t *testing.T, dir string) {
	t.Helper()
	s, stop := startStoreUntil(t, Options{Dir: dir})
	for g := range killGroups {
		addGroup(t, s, muster.GroupID(g+1), killWriters, 1)
	}
	stop()
}

// TestLogSurvivesAFullDisk lets the system refuse writes in the middle: whoever
// sends is told, nothing acknowledged is missing after a restart.
func TestLogSurvivesAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	makeChildGroups(t, dir)
	var acks []acked
	failed := make(map[string]int)
	healthy := ""
	childRun(t, dir, "full", []string{envChildFull + "=200"}, func(words []string) {
		if a, ok := childAck(t, "full", words); ok {
			acks = append(acks, a)
		}
		switch words[0] {
		case "failed":
			failed[words[1]]++
		case "healthy":
			healthy = words[1]
		}
	}, nil)
	if len(acks) < 200 || failed["unavailable"] != killWriters || healthy != "false" {
		t.Errorf("%d acks, failures %v, healthy %q", len(acks), failed, healthy)
	}
	s := startStore(t, Options{Dir: dir})
	checkChildAcks(t, s, acks)
	if _, err := s.Log().Append(t.Context(), textDraft(1, 1, "after", "x")); err != nil {
		t.Error(err)
	}
}
