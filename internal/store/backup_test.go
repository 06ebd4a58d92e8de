package store

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"muster"
)

// TestBackupUnderLoad: a restored backup holds everything that was acknowledged
// before it began, and can be used.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startStore(t, Options{Dir: dir})
	const senders, groups = 8, 20
	for g := range groups {
		addGroup(t, s, muster.GroupID(g+1), senders, 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var acks []acked
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				d := textDraft(muster.GroupID(n%groups+1), muster.AccountID(i+1), fmt.Sprintf("%08d", n), fmt.Sprint("text ", n))
				r, err := s.Log().Append(t.Context(), d)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				acks = append(acks, acked{d, r})
				mu.Unlock()
			}
		})
	}
	var backups []bytes.Buffer
	var before [][]acked
	for len(backups) < 3 {
		if err := settled(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acks) < 500*(len(backups)+1) {
				return errors.New("too few messages")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		before = append(before, slices.Clone(acks))
		mu.Unlock()
		var b bytes.Buffer
		if err := s.Backup(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		backups = append(backups, b)
	}
	cancel()
	wg.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for i := range backups {
		to := filepath.Join(t.TempDir(), "new", "data")
		if err := Restore(t.Context(), &backups[i], to); err != nil {
			t.Fatal(err)
		}
		r := startStore(t, Options{Dir: to})
		checkStanding(t, r, before[i])
		d := textDraft(1, 1, "after the restore", "x")
		if got, err := r.Log().Append(t.Context(), d); err != nil || got.Duplicate {
			t.Errorf("append: %+v, %v", got, err)
		}
		if got, err := r.Log().Append(t.Context(), before[i][0].Draft); err != nil || !got.Duplicate || got.Seq != before[i][0].Seq {
			t.Errorf("an old message sent again got %+v, %v", got, err)
		}
	}
}

func TestBackupOfPostgresSaysHow(t *testing.T) {
	t.Parallel()
	forEachStore(t, func(t *testing.T, s *Store) {
		err := s.Backup(t.Context(), io.Discard)
		if s.Backend() == "sqlite" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if muster.CodeOf(orNone(err)) != muster.CodeFailedPrecondition || !strings.Contains(err.Error(), "pg_dump") {
			t.Errorf("the answer is %v", err)
		}
	})
}

// entries unpacks a backup into memory; pack does the opposite.
type tarEntry struct {
	name string
	data []byte
}

func entries(t *testing.T, b []byte) (out []tarEntry) {
	t.Helper()
	in := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tarEntry{h.Name, data})
	}
}

func pack(t *testing.T, es []tarEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, e := range es {
		if err := out.WriteHeader(&tar.Header{Name: e.name, Mode: 0o600, Size: int64(len(e.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRestoreRefuses: what is damaged, cut off, foreign or newer is refused, and
// leaves an empty directory.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir()})
	addGroup(t, s, 1, 1, 1)
	for n := range 50 {
		if _, err := s.Log().Append(t.Context(), textDraft(1, 1, fmt.Sprint(n), "x")); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	change := func(fn func(es []tarEntry) []tarEntry) []byte { return pack(t, fn(entries(t, good))) }
	manifestWith := func(from, to string) []byte {
		return change(func(es []tarEntry) []tarEntry {
			if !bytes.Contains(es[0].data, []byte(from)) {
				t.Fatalf("the manifest has no %s: %s", from, es[0].data)
			}
			es[0].data = bytes.Replace(es[0].data, []byte(from), []byte(to), 1)
			return es
		})
	}
	cases := map[string][]byte{
		"nothing":         nil,
		"not a tar":       []byte(strings.Repeat("x", 5000)),
		"cut off":         good[:len(good)/2],
		"cut off early":   good[:700],
		"no manifest":     change(func(es []tarEntry) []tarEntry { return es[1:] }),
		"no log.db":       change(func(es []tarEntry) []tarEntry { return es[:2] }),
		"a changed byte":  change(func(es []tarEntry) []tarEntry { es[2].data[5000] ^= 1; return es }),
		"another name":    change(func(es []tarEntry) []tarEntry { es[1].name = "../core.db"; return es }),
		"a newer schema":  manifestWith(`"schema/log_sqlite": 1`, `"schema/log_sqlite": 999`),
		"a newer format":  manifestWith(`"format": 1`, `"format": 2`),
		"another backend": manifestWith(`"sqlite"`, `"postgres"`),
		"a path":          manifestWith(`"core.db"`, `"../x.db"`),
	}
	for name, backup := range cases {
		dir := t.TempDir()
		if err := Restore(t.Context(), bytes.NewReader(backup), dir); err == nil {
			t.Errorf("%s: restored", name)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
	used := t.TempDir()
	if err := os.WriteFile(filepath.Join(used, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), bytes.NewReader(good), used); err == nil {
		t.Error("restored into a directory in use")
	}
}

// TestRestoreInterrupted: a directory in which a restore was killed cannot be
// opened, and is restored by the next attempt.
func TestRestoreInterrupted(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir()})
	addGroup(t, s, 1, 1, 1)
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	es := entries(t, b.Bytes())
	for path, data := range map[string][]byte{
		filepath.Join(restoreDir, logFile): es[2].data[:4096], coreFile: es[1].data,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clock := muster.ClockFunc(s.clock.Now)
	if _, err := Open(t.Context(), Options{Dir: dir, Clock: clock}); err == nil {
		t.Fatal("opened")
	}
	if err := Restore(t.Context(), &b, dir); err != nil {
		t.Fatal(err)
	}
	r := startStore(t, Options{Dir: dir})
	if _, err := r.Log().Append(t.Context(), textDraft(1, 1, "id", "x")); err != nil {
		t.Error(err)
	}
}

// TestOpenSweepsBackups: what a killed backup left goes away, nothing else does.
func TestOpenSweepsBackups(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"backup-123.tmp", "mine.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	startStore(t, Options{Dir: dir})
	if _, err := os.Stat(filepath.Join(dir, "backup-123.tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine.tmp")); err != nil {
		t.Error(err)
	}
}

// TestBackupEndsWithItsContext: a backup that is no longer wanted stops.
func TestBackupEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := startStore(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("the answer is %v", err)
	}
}
