package store

import (
	"context"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"muster"
)

// Options say where the data is.
type Options struct {
	// Dir is the data directory; SQLite's files and the journal lie in it.
	Dir string
	// URL is a PostgreSQL connection URL; empty: SQLite in Dir.
	URL string
	// MaxConns bounds the connections to PostgreSQL; 0: 16.
	MaxConns int
	// Readers is how many connections read SQLite at once; 0: one more than
	// there are processors.
	Readers int
	// Clock stamps what is stored.
	Clock muster.Clock
	// IDs makes ids.
	IDs *muster.IDs
}

// Store is the database. Its parts (Accounts, Channels, Groups, Ledger, Log)
// implement what the domain packages ask for. Safe for concurrent use.
type Store struct {
	db      backend
	clock   muster.Clock
	ids     *muster.IDs
	members memberCache
	groups  groupCache
	log     messageLog
	reads   atomic.Uint64
}

// Open opens the database, making or migrating it as needed. Close it when
// Run has returned.
func Open(ctx context.Context, opt Options) (*Store, error) {
	s := &Store{clock: opt.Clock, ids: opt.IDs}
	err := prepareDir(opt.Dir)
	if err != nil {
		return nil, err
	}
	if opt.URL == "" {
		s.db, err = openSQLite(ctx, filepath.Join(opt.Dir, coreFile), opt.Readers)
	} else {
		s.db, err = openPostgres(ctx, opt.URL, opt.MaxConns)
	}
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.db, coreSchema); err != nil {
		_ = s.db.close()
		return nil, err
	}
	if s.log, err = openLog(ctx, s, opt); err != nil {
		_ = s.db.close()
		return nil, err
	}
	return s, nil
}

// Backend is "sqlite" or "postgres".
func (s *Store) Backend() string { return s.db.name() }

// Run does the store's background work until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.db.run(ctx) })
	g.Go(func() error { return s.log.run(ctx) })
	g.Go(func() error { return s.Groups().finishDissolutions(ctx) })
	return g.Wait()
}

// Close ends everything in order. Nothing may use the store afterwards.
func (s *Store) Close() error {
	err := s.log.close()
	if e := s.db.close(); err == nil {
		err = e
	}
	return err
}

// Reads is how often the database of everything but messages has been read since
// the start. The paths that every message takes are to add nothing to it.
func (s *Store) Reads() uint64 { return s.reads.Load() }

func (s *Store) read(ctx context.Context, fn func(c conn) error) error {
	s.reads.Add(1)
	return s.db.read(ctx, fn)
}

func (s *Store) look(ctx context.Context, fn func(c conn) error) error {
	s.reads.Add(1)
	return s.db.look(ctx, fn)
}

func (s *Store) write(ctx context.Context, fn func(c conn) error) error { return s.db.write(ctx, fn) }

// now is the stored form of the present.
func (s *Store) now() int64 { return muster.Millis(s.clock.Now()) }
