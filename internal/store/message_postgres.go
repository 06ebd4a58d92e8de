package store

import (
	"context"

	"muster/internal/group"
)

type noLog struct{ group.Log }

func (noLog) Follow(func([]group.Message)) {}

func (noLog) healthy() error                { return nil }
func (noLog) run(ctx context.Context) error { <-ctx.Done(); return nil }
func (noLog) close() error                  { return nil }
