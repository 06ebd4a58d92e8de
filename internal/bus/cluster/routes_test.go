package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"muster/internal/bus"
	"muster/internal/bus/bustest"
)

// logged is a log that a test can read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// begin starts a node, and gives its log from the warnings up.
func begin(tb testing.TB, o Options) (*Bus, bustest.Node, *logged) {
	tb.Helper()
	log := &logged{}
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return b, bustest.Start(tb, b), log
}

// hears waits until what one node publishes is heard on the other, and back.
func hears(t *testing.T, a, b *Bus) {
	t.Helper()
	for _, way := range [][2]*Bus{{a, b}, {b, a}} {
		e, sub := bustest.Listen(t, way[1], "channel.1")
		bustest.Link(t, way[0], e)
		bustest.MustPublish(t, way[0], "channel.1", "hello")
		e.Wait(t, 1)
		sub.Unsubscribe()
	}
}

func at(b *Bus) string { return b.RouteAddr().String() }

func TestNoPortForClients(t *testing.T) {
	alone, _, aloneLog := begin(t, Options{Node: "alone"})
	if alone.srv.Addr() != nil || alone.RouteAddr() != nil {
		t.Errorf("a node on its own listens on %v and %v", alone.srv.Addr(), alone.RouteAddr())
	}
	routed, _, routedLog := begin(t, Options{Node: "routed", Routes: Routes{Listen: "127.0.0.1:0"}})
	if routed.srv.Addr() != nil {
		t.Errorf("a node with routes listens for clients on %v", routed.srv.Addr())
	}
	if s := aloneLog.String() + routedLog.String(); s != "" {
		t.Errorf("a plain start warns: %s", s)
	}
	if conn, err := nats.Connect("nats://"+at(routed), nats.Timeout(time.Second)); err == nil {
		conn.Close()
		t.Error("the port of the routes takes a client")
	}
}

func TestGossip(t *testing.T) {
	a, _, _ := begin(t, Options{Node: "a", Routes: Routes{Listen: "127.0.0.1:0"}})
	b, _, _ := begin(t, Options{Node: "b", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{at(a)}}})
	c, _, _ := begin(t, Options{Node: "c", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{at(a)}}})
	hears(t, a, b)
	hears(t, b, c) // neither was told of the other
	if b.Peers() != 2 || c.Peers() != 2 {
		t.Errorf("b has %d peers, c has %d", b.Peers(), c.Peers())
	}
}

func TestNodeComesBack(t *testing.T) {
	a, stopA, _ := begin(t, Options{Node: "a", Routes: Routes{Listen: "127.0.0.1:0"}})
	address := at(a)
	b, _, _ := begin(t, Options{Node: "b", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{address}}})
	hears(t, a, b)
	lasting, _ := bustest.Listen(t, b, "channel.2")
	bustest.Link(t, a, lasting)

	stopA.Stop()
	bustest.Eventually(t, "b misses a", func() bool { return b.Peers() == 0 })
	alone, _ := bustest.Listen(t, b, "channel.3")
	bustest.MustPublish(t, b, "channel.3", "still here")
	alone.Wait(t, 1)

	again, _, _ := begin(t, Options{Node: "a", Routes: Routes{Listen: address}})
	hears(t, again, b)
	bustest.Link(t, again, lasting) // a subscription from before
}

// TestStoppingNodeIsNotAsked keeps a node in its stop and sees that requests go
// to the other one that responds.
func TestStoppingNodeIsNotAsked(t *testing.T) {
	a, _, _ := begin(t, Options{Node: "a", Routes: Routes{Listen: "127.0.0.1:0"}})
	b, stopB, _ := begin(t, Options{Node: "b", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{at(a)}}})
	c, _, _ := begin(t, Options{Node: "c", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{at(a)}}})
	respond := func(on *Bus, subject string, r bus.Responder) {
		sub, err := on.Respond(subject, r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sub.Unsubscribe)
	}
	name := func(of string) bus.Responder {
		return func(context.Context, string, []byte) []byte { return []byte(of) }
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	respond(b, "slow.1", func(context.Context, string, []byte) []byte {
		close(entered)
		<-leave
		return []byte("done")
	})
	respond(b, "roster.1", name("b"))
	respond(c, "roster.1", name("c"))
	ask := func(subject string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := a.Request(ctx, subject, nil)
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
	for _, wanted := range []string{"b", "c"} {
		bustest.Eventually(t, wanted+" is asked", func() bool { return ask("roster.1") == wanted })
	}
	slow := make(chan string, 1)
	go func() {
		got, err := b.Request(context.Background(), "slow.1", nil)
		slow <- fmt.Sprint(string(got), err)
	}()
	<-entered
	stopped := make(chan struct{})
	go func() {
		stopB.Stop()
		close(stopped)
	}()
	bustest.Eventually(t, "b has begun to stop", func() bool { return errors.Is(b.Publish("x", nil), bus.ErrClosed) })
	for i := range 50 {
		if got := ask("roster.1"); got != "c" {
			t.Fatalf("request %d to a cluster with a stopping node: %s", i, got)
		}
	}
	close(leave)
	<-stopped
	if got := <-slow; got != "done<nil>" {
		t.Errorf("the request under way: %s", got)
	}
}

func TestOtherClusterStaysOut(t *testing.T) {
	a, _, log := begin(t, Options{Node: "a", Routes: Routes{Listen: "127.0.0.1:0", Cluster: "ours"}})
	b, _, _ := begin(t, Options{Node: "b", Routes: Routes{Listen: "127.0.0.1:0", Cluster: "theirs", Peers: []string{at(a)}}})
	bustest.Eventually(t, "the route is refused", func() bool { return strings.Contains(log.String(), "cluster name") })
	if a.Peers() != 0 || b.Peers() != 0 {
		t.Errorf("the nodes of two clusters have %d and %d peers", a.Peers(), b.Peers())
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := New(Options{Logger: slog.New(slog.DiscardHandler), Routes: Routes{Listen: l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Run on a port that is in use: %v", err)
	}
}

func TestStoppedBeforeItStarts(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := bustest.Listen(t, b, "channel.1")
	bustest.MustPublish(t, b, "channel.1", "before Run, on this node only")
	e.Wait(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	a, _, log := begin(t, Options{Node: "a", Routes: Routes{Listen: "127.0.0.1:0", TLS: ours.node(t)}})
	peers := []string{at(a)}
	b, _, _ := begin(t, Options{Node: "b", Routes: Routes{Listen: "127.0.0.1:0", Peers: peers, TLS: ours.node(t)}})
	hears(t, a, b)

	// A stranger trusts our authority, but is not signed by it.
	mixed := theirs.node(t)
	mixed.RootCAs = ours.node(t).RootCAs
	stranger, _, _ := begin(t, Options{Node: "stranger", Routes: Routes{Listen: "127.0.0.1:0", Peers: peers, TLS: mixed}})
	bustest.Eventually(t, "the stranger's certificate is refused", func() bool {
		return strings.Contains(log.String(), "unknown authority")
	})
	// Another one comes without TLS.
	plain, _, _ := begin(t, Options{Node: "plain", Routes: Routes{Listen: "127.0.0.1:0", Peers: peers}})
	bustest.Eventually(t, "a route without TLS is refused", func() bool {
		return strings.Contains(log.String(), "does not look like a TLS handshake")
	})
	if n := a.Peers(); n != 1 {
		t.Errorf("a has %d peers, want b alone", n)
	}
	if stranger.Peers() != 0 || plain.Peers() != 0 {
		t.Errorf("the strangers have %d and %d peers", stranger.Peers(), plain.Peers())
	}
	// Who checks nobody is not trusted with what we publish either: b refuses
	// to connect to a node of theirs.
	other, _, _ := begin(t, Options{Node: "other", Routes: Routes{Listen: "127.0.0.1:0", TLS: theirs.node(t)}})
	client := ours.node(t)
	c, _, cLog := begin(t, Options{Node: "c", Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{at(other)}, TLS: client}})
	bustest.Eventually(t, "their server's certificate is refused", func() bool {
		return strings.Contains(cLog.String(), "unknown authority")
	})
	if c.Peers() != 0 {
		t.Errorf("c has %d peers", c.Peers())
	}
}

// authority signs the certificates of nodes.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// node makes the files of one more node, and loads them.
func (a *authority) node(t *testing.T) *tls.Config {
	t.Helper()
	a.serial++
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.serial), Subject: pkix.Name{CommonName: "node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config, err := LoadTLS(write("node.crt", "CERTIFICATE", der), write("node.key", "PRIVATE KEY", secret),
		write("authority.crt", "CERTIFICATE", a.certificate.Raw))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
