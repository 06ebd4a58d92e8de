package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	pool, pair := x509.NewCertPool(), []tls.Certificate{{}}
	for _, test := range []struct {
		name string
		o    Options
		want string // part of the error, "" for none
	}{
		{"nothing", Options{}, ""},
		{"routes on the loopback", Options{Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{"10.0.0.2:6222"}}}, ""},
		{"routes on the IPv6 loopback", Options{Routes: Routes{Listen: "[::1]:6222"}}, ""},
		{"routes on localhost", Options{Routes: Routes{Listen: "localhost:6222"}}, ""},
		{"routes anywhere", Options{Routes: Routes{Listen: ":6222"}}, "need mutual TLS"},
		{"routes on a name", Options{Routes: Routes{Listen: "node1:6222"}}, "need mutual TLS"},
		{"routes on an address", Options{Routes: Routes{Listen: "10.0.0.1:6222"}}, "need mutual TLS"},
		{"plain routes by permission", Options{Routes: Routes{Listen: "10.0.0.1:6222", Plain: true}}, ""},
		{"TLS", Options{Routes: Routes{Listen: ":6222", TLS: &tls.Config{Certificates: pair, RootCAs: pool}}}, ""},
		{"TLS without a certificate", Options{Routes: Routes{Listen: ":6222", TLS: &tls.Config{RootCAs: pool}}}, "certificate"},
		{"TLS without an authority", Options{Routes: Routes{Listen: ":6222", TLS: &tls.Config{Certificates: pair}}}, "authority"},
		{"TLS that verifies nobody", Options{Routes: Routes{Listen: ":6222", TLS: &tls.Config{Certificates: pair, RootCAs: pool, InsecureSkipVerify: true}}}, "verify"},
		{"peers without a port of one's own", Options{Routes: Routes{Peers: []string{"10.0.0.2:6222"}}}, "address to listen on"},
		{"a peer without a port", Options{Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{"10.0.0.2"}}}, "host:port"},
		{"a peer without a host", Options{Routes: Routes{Listen: "127.0.0.1:0", Peers: []string{":6222"}}}, "host and a port"},
		{"a port that is none", Options{Routes: Routes{Listen: "127.0.0.1:65536"}}, "65535"},
		{"a node name with a space", Options{Node: "a b"}, "space"},
		{"a cluster name with a space", Options{Routes: Routes{Cluster: "a b"}}, "space"},
		{"a prefix with a wildcard", Options{Prefix: "muster.*"}, "prefix"},
		{"external", Options{External: []string{"nats://10.0.0.1:4222", "tls://u:p@nats.example"}}, ""},
		{"external without a scheme", Options{External: []string{"10.0.0.1:4222"}}, "URL"},
		{"external with a wrong scheme", Options{External: []string{"http://10.0.0.1:4222"}}, "URL"},
		{"external and routes", Options{External: []string{"nats://10.0.0.1:4222"}, Routes: Routes{Listen: "127.0.0.1:0"}}, "choose one"},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			_, err := New(test.o)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("New: %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "u:p") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

// TestMutual sees that whoever connects has to show a certificate.
func TestMutual(t *testing.T) {
	given := &tls.Config{Certificates: []tls.Certificate{{}}, RootCAs: x509.NewCertPool()}
	b, err := New(Options{Routes: Routes{Listen: ":6222", TLS: given}})
	if err != nil {
		t.Fatal(err)
	}
	got := b.opts.Routes.TLS
	if got.ClientAuth != tls.RequireAndVerifyClientCert || got.ClientCAs != given.RootCAs || got.MinVersion < tls.VersionTLS12 {
		t.Errorf("client certificates: %v, %v; version %x", got.ClientAuth, got.ClientCAs, got.MinVersion)
	}
	if given.ClientAuth != tls.NoClientCert {
		t.Error("New changes the caller's configuration")
	}
}
