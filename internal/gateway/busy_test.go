package gateway_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	musterv1 "muster/gen/muster/v1"

	"muster/internal/account"
	"muster/internal/config"
	"muster/internal/gateway"
	"muster/internal/gateway/engine"
	"muster/internal/wire"
)

// heldAccounts answer when they are let, or when the asking ends.
type heldAccounts struct {
	gateway.Accounts
	asked chan struct{}
	gate  chan struct{}
}

func (a *heldAccounts) Authenticate(ctx context.Context, token string) (account.Session, account.Account, error) {
	a.asked <- struct{}{}
	select {
	case <-a.gate:
		return a.Accounts.Authenticate(ctx, token)
	case <-ctx.Done():
		return account.Session{}, account.Account{}, ctx.Err()
	}
}

// hold makes a rig whose hellos wait.
func hold(t *testing.T, tweak func(*gateway.Options)) (*rig, *heldAccounts) {
	held := &heldAccounts{asked: make(chan struct{}, 100), gate: make(chan struct{})}
	r := startRig(&rig{TB: t, cfg: config.Default(), services: func(s *gateway.Services) {
		held.Accounts = s.Accounts
		s.Accounts = held
	}}, tweak)
	return r, held
}

// TestHellosAreBounded lets more say hello than may be looked at together: those
// above are told to come later, the others come in.
func TestHellosAreBounded(t *testing.T) {
	const most = 3
	r, held := hold(t, func(o *gateway.Options) { o.MaxHellos = most })
	ps := r.crowd("p", most+2)
	conns := make([]*raw, len(ps))
	for i, p := range ps[:most] {
		conns[i] = r.raw(i%2 == 0, nil)
		conns[i].hello(p.token)
		<-held.asked
	}
	for _, p := range ps[most:] {
		c := r.raw(false, nil)
		c.hello(p.token)
		frames, code := c.all()
		if code != 4106 || len(frames) != 2 || frames[0].GetError().GetReason() != "busy" || frames[1].GetSessionClosed().GetRetry() != musterv1.Retry_RETRY_LATER {
			t.Errorf("above the bound: %v, %d", frames, code)
		}
	}
	close(held.gate)
	for i, c := range conns[:most] {
		if frames, code := c.next(); code != 0 || frames[0].GetWelcome().GetAccountId() != int64(ps[i].id) {
			t.Errorf("within the bound: %v, %d", frames, code)
		}
	}
}

// TestStopWithStuckHello stops while a hello waits for a store that does not answer:
// its look-up is given up with the grace, and Run returns.
func TestStopWithStuckHello(t *testing.T) {
	for _, kind := range []engine.Kind{engine.KindAuto, engine.KindThreads} {
		t.Run(string(kind), func(t *testing.T) {
			r, held := hold(t, func(o *gateway.Options) { o.StopGrace, o.EngineKind = 100*time.Millisecond, kind })
			r.raw(false, nil).hello("x")
			<-held.asked
			ended := make(chan error, 1)
			go func() { ended <- r.stop() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(patience):
				t.Error("Run does not return while a look-up hangs")
				close(held.gate)
				<-ended
			}
		})
	}
}

// TestRetryAfter turns handshakes away: the header of each says when to come, and
// not the same to all.
func TestRetryAfter(t *testing.T) {
	const refused = 40
	r := start(t, func(o *gateway.Options) { o.HandshakesPerSecond, o.HandshakeBurst = 1, 1 })
	times := map[int]int{}
	for len(times) < 100 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/live", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			"Sec-WebSocket-Protocol": wire.SubprotocolProto,
		} {
			req.Header.Set(k, v)
		}
		resp, err := r.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusSwitchingProtocols {
			continue
		}
		after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
		if resp.StatusCode != http.StatusServiceUnavailable || err != nil || after < 1 {
			t.Fatalf("%s, Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
		}
		if times[after]++; r.gw.Stats().Refused >= refused {
			break
		}
	}
	if len(times) < refused/4 {
		t.Errorf("%d were told only %d different times: %v", refused, len(times), times)
	}
}
