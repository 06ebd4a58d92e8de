package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"muster"
)

// Argon2 are the costs of one password hash (argon2id, RFC 9106). The zero value
// is OWASP's 19 MiB, 2 passes, 1 thread, about 40 ms.
type Argon2 struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

func (p Argon2) orDefault() Argon2 {
	if p.MemoryKiB == 0 {
		p.MemoryKiB = 19 << 10
	}
	if p.Time == 0 {
		p.Time = 2
	}
	if p.Threads == 0 {
		p.Threads = 1
	}
	return p
}

const (
	saltBytes = 16
	keyBytes  = 32
)

// Bounds of what a stored hash may ask for, so that a damaged one does not take
// the machine's memory.
const (
	maxMemoryKiB = 1 << 20
	maxTime      = 64
)

// phc is a password's hash and how it was made. Its text form is the PHC string
// format ($argon2id$v=19$m=19456,t=2,p=1$salt$key), so that the costs can change
// while old hashes stay good.
type phc struct {
	Argon2
	salt, key []byte
}

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MemoryKiB, h.Time, h.Threads,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

func parsePHC(s string) (phc, error) {
	var h phc
	bad := func(what string) (phc, error) {
		return phc{}, fmt.Errorf("account: a stored password hash has a wrong %s", what)
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return bad("form")
	}
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad("version")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.MemoryKiB, &h.Time, &h.Threads); err != nil {
		return bad("cost")
	}
	if h.MemoryKiB > maxMemoryKiB || h.Time < 1 || h.Time > maxTime || h.Threads < 1 {
		return bad("cost")
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 {
		return bad("salt")
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return bad("key")
	}
	return h, nil
}

// hasher makes and checks password hashes, only so many at a time, because each
// takes megabytes and tens of milliseconds; a few more may wait, and the rest is
// told to come again.
type hasher struct {
	cost    Argon2
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
	made    atomic.Int64 // hashes that were computed
	dummy   string       // what unknown names are checked against
}

// busyRetry is when to come again after a full queue.
const busyRetry = time.Second

// newHasher makes a hasher of so many hashes at a time, with so many more
// waiting.
func newHasher(cost Argon2, concurrency, queue int) *hasher {
	h := &hasher{cost: cost.orDefault(), slots: make(chan struct{}, concurrency), queue: int64(queue)}
	// Nobody knows a password whose key is random.
	h.dummy = phc{h.cost, randomBytes(saltBytes), randomBytes(keyBytes)}.String()
	return h
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return b
}

// enter waits for a slot: resource_exhausted ("busy") when too many wait
// already.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.queue {
		return muster.Exhausted("busy", busyRetry, "too many people sign in at this moment: try again in a second")
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &muster.Error{Code: muster.CodeCanceled, Reason: "canceled", Message: "the request was given up", Cause: context.Cause(ctx)}
	}
}

// key computes a key. The password is taken in Unicode's composed form, because
// the same keys pressed on two systems can give two forms (RFC 8265).
func (h *hasher) key(ctx context.Context, password string, cost Argon2, salt []byte, size uint32) ([]byte, error) {
	if err := h.enter(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	h.made.Add(1)
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, cost.Time, cost.MemoryKiB, cost.Threads, size), nil
}

// hash makes the stored form of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	out := phc{Argon2: h.cost, salt: randomBytes(saltBytes)}
	key, err := h.key(ctx, password, out.Argon2, out.salt, keyBytes)
	if err != nil {
		return "", err
	}
	out.key = key
	return out.String(), nil
}

// verify checks a password against its stored form. "" , no password, is checked
// against the dummy: it takes as long, and never fits. stale says that the hash
// fits but was made at other costs than today's.
func (h *hasher) verify(ctx context.Context, stored, password string) (ok, stale bool, err error) {
	real := stored != ""
	if !real {
		stored = h.dummy
	}
	want, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got, err := h.key(ctx, password, want.Argon2, want.salt, uint32(len(want.key))) //nolint:gosec // 64 at most
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want.key) == 1 && real
	return ok, ok && (want.Argon2 != h.cost || len(want.key) != keyBytes), nil
}
