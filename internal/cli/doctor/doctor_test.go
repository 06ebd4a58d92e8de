package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/config"
	"muster/internal/pgtest"
)

// certificate writes a self-signed certificate that ends at a time.
func certificate(t *testing.T, host string, until time.Time) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// examinationOf looks with the default settings, changed.
func examinationOf(change func(c *config.Config)) *examination {
	c := config.Default()
	if change != nil {
		change(&c)
	}
	return &examination{Options{Config: c, Connections: 1000, Patience: time.Minute, Now: time.Now}}
}

// status is how the check of that name ended; "" if it was not made.
func status(results []Result, check string) Status {
	for _, r := range results {
		if r.Check == check {
			return r.Status
		}
	}
	return ""
}

func TestTLS(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name   string
		change func(c *config.Config)
		want   Status
	}{
		{"none, loopback", nil, Skip},
		{"none, open", func(c *config.Config) { c.Server.Listen = ":80" }, Warn},
		{"good", func(c *config.Config) { c.TLS = certificate(t, "a.example", now.Add(60*24*time.Hour)) }, OK},
		{"ends soon", func(c *config.Config) { c.TLS = certificate(t, "a.example", now.Add(24*time.Hour)) }, Warn},
		{"ended", func(c *config.Config) { c.TLS = certificate(t, "a.example", now.Add(-time.Hour)) }, Fail},
		{"not yet", func(c *config.Config) { c.TLS = certificate(t, "a.example", now.Add(200*24*time.Hour)) }, Fail},
		{"another host", func(c *config.Config) {
			c.TLS, c.Server.PublicURL = certificate(t, "a.example", now.Add(60*24*time.Hour)), "https://b.example"
		}, Fail},
		{"another key", func(c *config.Config) {
			c.TLS = certificate(t, "a.example", now.Add(60*24*time.Hour))
			c.TLS.Key = certificate(t, "a.example", now).Key
		}, Fail},
	} {
		if got := status(examinationOf(test.change).tls(t.Context()), "TLS"); got != test.want {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	x := examinationOf(func(c *config.Config) { c.TLS = certificate(t, "a.example", now.Add(60*24*time.Hour)) })
	if err := os.Chmod(x.Config.TLS.Key, 0o644); err != nil { //nolint:gosec // that is what is to be found
		t.Fatal(err)
	}
	if got := status(x.tls(t.Context()), "TLS key"); got != Warn {
		t.Errorf("a key for everybody: %q", got)
	}
}

func TestPorts(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := examinationOf(func(c *config.Config) { c.Server.Listen, c.Ops.Listen = l.Addr().String(), "127.0.0.1:0" })
	results := taken.ports(t.Context())
	if status(results, "server.listen") != Fail || status(results, "ops.listen") != OK {
		t.Errorf("%+v", results)
	}
	taken.Running = &Running{}
	if got := status(taken.ports(t.Context()), "server.listen"); got != Skip {
		t.Errorf("beside the server that has it: %s", got)
	}
}

func TestServer(t *testing.T) {
	x := examinationOf(nil)
	for want, running := range map[Status]*Running{Skip: nil, OK: {}, Fail: {Ready: errors.New("disk full")}} {
		x.Running = running
		if got := status(x.server(t.Context()), "server"); got != want {
			t.Errorf("%+v: %s", running, got)
		}
	}
}

// TestPromises holds that each setting that breaks a promise fails.
func TestPromises(t *testing.T) {
	good := func() map[string]string {
		return map[string]string{"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "in_hot_standby": "off"}
	}
	if got := promises(good()); len(got) != 1 || got[0].Status != OK {
		t.Errorf("%+v", got)
	}
	for name, value := range map[string]string{"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "in_hot_standby": "on"} {
		values := good()
		values[name] = value
		if got := promises(values); len(got) != 1 || got[0].Status != Fail {
			t.Errorf("%s = %s: %+v", name, value, got)
		}
	}
}

// TestPostgres asks a real one, which keeps its promises.
func TestPostgres(t *testing.T) {
	address := pgtest.URL(t)
	cfg, err := config.Load(config.Options{Flags: map[string]string{"database": address}})
	if err != nil {
		t.Fatal(err)
	}
	results := (&examination{Options{Config: cfg, Now: time.Now}}).postgres(context.Background())
	for _, check := range []string{"PostgreSQL", "PostgreSQL durability"} {
		if got := status(results, check); got != OK {
			t.Errorf("%s: %q in %+v", check, got, results)
		}
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{"3.51.2": true, "3.51.3": false, "3.60.0": false, "4.0.0": false, "nonsense": true} {
		if olderThan(version, minSQLite) != want {
			t.Errorf("%s: older is %t", version, !want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	for n, want := range map[uint64]uint64{1: 1024, 1024: 1024, 1025: 2048, 100_000: 131_072} {
		if got := roundUp(n); got != want {
			t.Errorf("%d: %d", n, got)
		}
	}
}

// TestSocketMemory has settings of the kernel that are and are not enough.
func TestSocketMemory(t *testing.T) {
	for _, test := range []struct {
		setting     string
		connections int
		fix         string // "": nothing is wrong
	}{
		{"287901\t383868\t575802\n", 383_868, ""},
		{"287901\t383868\t575802\n", 1_000_000, `sysctl -w net.ipv4.tcp_mem="750000 1000000 1500000"`},
		{"1 2 3", 10, `sysctl -w net.ipv4.tcp_mem="8 10 15"`},
		{"unreadable", 1_000_000, ""},
	} {
		got := socketMemory(test.setting, test.connections)
		if len(got) > 0 != (test.fix != "") || len(got) > 0 && got[0].Advice != test.fix {
			t.Errorf("%q for %d connections: %+v, want %q", test.setting, test.connections, got, test.fix)
		}
	}
}
