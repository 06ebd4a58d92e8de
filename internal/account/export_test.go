package account

import (
	"context"

	"muster"
)

// HashesMade is how many password hashes a Service has computed.
func HashesMade(s *Service) int64 { return s.hasher.made.Load() }

// Tidy runs what Run does every minute.
func Tidy(ctx context.Context, s *Service) { s.tidy(ctx) }

// Forget makes what a Service remembers of an account void.
func Forget(s *Service, id muster.AccountID) { s.cache.forget(id) }
