package account

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"strconv"
	"time"

	"muster"
)

// Client is who asks to sign in, as far as the adapter knows.
type Client struct {
	// Device is how the client calls itself, for the list of sessions.
	Device string
	// Address is where the request comes from. The zero Addr is the machine
	// itself (the admin socket) and has no limit of its own.
	Address netip.Addr
}

// address is the stored form of the client's address.
func (c Client) address() string {
	if !c.Address.IsValid() {
		return ""
	}
	return c.Address.Unmap().WithZone("").String()
}

// network is what limits count addresses by: an IPv4 address, or the /64 of an
// IPv6 one, which is what one subscriber has.
func (c Client) network() string {
	a := c.Address.Unmap().WithZone("")
	if !a.IsValid() {
		return ""
	}
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// limitKey hashes what a limit counts against. Names are hashed because people
// type passwords where names belong.
func limitKey(kind, what string) (key [16]byte) {
	sum := sha256.Sum256([]byte(kind + "\x00" + what))
	copy(key[:], sum[:])
	return key
}

// attempt begins an attempt now.
func (s *Service) attempt(limits ...Limit) Attempt {
	return Attempt{ID: s.ids.Next(), At: s.clock.Now(), Window: s.opt.LoginWindow, Limits: limits}
}

// loginAttempt is an attempt to sign in. It counts against its network, and
// against the name: guessing one account's password from many places stops at
// the same number. That would let a stranger keep the owner out, so from a
// network where the account is signed in already, attempts count on their own.
func (s *Service) loginAttempt(name string, client Client, known bool) Attempt {
	network := client.network()
	byName := limitKey("login", name)
	if known {
		byName = limitKey("login-from", name+"\x00"+network)
	}
	limits := []Limit{{byName, s.opt.AttemptsPerAccount}}
	if network != "" {
		limits = append(limits, Limit{limitKey("network", network), s.opt.AttemptsPerAddress})
	}
	return s.attempt(limits...)
}

// take notes an attempt before it is made; resource_exhausted
// ("too_many_attempts") when a limit is reached.
func (s *Service) take(ctx context.Context, a Attempt) error {
	if len(a.Limits) == 0 {
		return nil
	}
	wait, err := s.store.TakeAttempt(ctx, a)
	if err != nil || wait == 0 {
		return err
	}
	return muster.Exhausted("too_many_attempts", wait, "too many attempts: try again in %s", about(wait))
}

// giveBack takes an attempt back that did not test anything, also when the
// caller has gone away.
func (s *Service) giveBack(ctx context.Context, a Attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := s.store.ReturnAttempt(ctx, a); err != nil {
		s.log.WarnContext(ctx, "an attempt to sign in could not be taken back", "error", err)
	}
}

// about says a wait in words.
func about(d time.Duration) string {
	if d <= time.Minute {
		return strconv.Itoa(max(int(d.Round(time.Second)/time.Second), 1)) + " seconds"
	}
	return strconv.Itoa(int((d+time.Minute-1)/time.Minute)) + " minutes"
}

// plural is a number of characters in words.
func plural(n int) string {
	if n == 1 {
		return "1 character"
	}
	return strconv.Itoa(n) + " characters"
}
