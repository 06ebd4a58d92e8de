package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"muster/internal/bus"
)

// Options say which nodes there are and how this one reaches them. The zero
// value is a node on its own, with an embedded server that opens no port.
type Options struct {
	// Node names this node in logs and in the NATS server; no two nodes of a
	// cluster have the same. Empty takes a random one.
	Node string
	// Prefix starts every NATS subject, so that others can use the same NATS
	// cluster. All nodes have the same. Empty is "muster".
	Prefix string
	// Logger takes what the embedded server and the connection have to say.
	// Nil is slog.Default.
	Logger *slog.Logger

	// Routes connect the embedded servers of the nodes. Without Listen there
	// are none.
	Routes Routes

	// External are the URLs of a NATS cluster that is there already
	// ("nats://host:4222", "tls://user:password@host"). Then no server is
	// embedded, and Routes must be empty. Its max_payload has to be at least
	// bus.MaxPayload + 4096, or large requests fail with bus.ErrTooLarge.
	External []string
	// ExternalTLS is for the connection to External; nil takes the system's
	// certificate authorities when the server asks for TLS.
	ExternalTLS *tls.Config
	// Credentials is a NATS credentials file for External, or "".
	Credentials string
}

// Routes are the connections between embedded servers. A node needs to know one
// other; they tell each other of the rest.
type Routes struct {
	// Listen is where other nodes connect to, "host:port". Port 0 takes a free
	// one, see [Bus.RouteAddr].
	Listen string
	// Advertise is Listen as the other nodes see it, if that differs.
	Advertise string
	// Peers are other nodes' Listen addresses. It may contain this node's own,
	// so that all nodes can have the same list.
	Peers []string
	// Cluster names the cluster; a route to a differently named one is refused.
	// Empty is "muster".
	Cluster string
	// TLS is mutual: this node's certificate is in Certificates, and RootCAs
	// (or ClientCAs) has who may sign those of the others. See [LoadTLS].
	TLS *tls.Config
	// Plain allows routes without TLS on an address that is not a loopback
	// one. Whoever reaches the port is then a node: use it only on a network
	// that encrypts and keeps strangers out itself.
	Plain bool
}

// LoadTLS reads the TLS configuration of a node's routes from PEM files: its
// certificate and key, and the authority that signs the nodes' certificates.
func LoadTLS(certificate, key, authority string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("cluster: the node's certificate: %w", err)
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("cluster: the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cluster: %s has no certificate", authority)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}

// check fills in defaults and refuses what cannot work or is not safe.
func (o *Options) check() error {
	if o.Prefix == "" {
		o.Prefix = "muster"
	}
	if bus.CheckSubject(o.Prefix) != nil || len(o.Prefix) > 50 {
		return fmt.Errorf("cluster: prefix %q is not a subject of 50 bytes at most", o.Prefix)
	}
	if strings.ContainsAny(o.Node, " \t\r\n") {
		return fmt.Errorf("cluster: node name %q has a space", o.Node)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if len(o.External) > 0 {
		return o.checkExternal()
	}
	return o.Routes.check()
}

func (o *Options) checkExternal() error {
	r := o.Routes
	if r.Listen != "" || len(r.Peers) > 0 {
		return errors.New("cluster: routes belong to embedded servers, and an external NATS is given: choose one")
	}
	for _, s := range o.External {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || (u.Scheme != "nats" && u.Scheme != "tls") {
			return errors.New("cluster: an external NATS is a URL such as nats://host:4222 or tls://host:4222")
		}
	}
	return nil
}

func (r *Routes) check() error {
	if r.Cluster == "" {
		r.Cluster = "muster"
	}
	if strings.ContainsAny(r.Cluster, " \t\r\n") {
		return fmt.Errorf("cluster: cluster name %q has a space", r.Cluster)
	}
	if r.Listen == "" {
		if len(r.Peers) > 0 || r.TLS != nil || r.Advertise != "" {
			return errors.New("cluster: routes need an address to listen on")
		}
		return nil
	}
	host, _, err := splitAddr(r.Listen)
	if err != nil {
		return err
	}
	for _, peer := range r.Peers {
		host, port, err := splitAddr(peer)
		if err != nil {
			return err
		}
		if host == "" || port == 0 {
			return fmt.Errorf("cluster: peer %q needs a host and a port", peer)
		}
	}
	if r.TLS == nil {
		if ip := net.ParseIP(host); !r.Plain && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("cluster: routes on %s need mutual TLS, or the explicit permission to do without", r.Listen)
		}
		return nil
	}
	return r.checkTLS()
}

func (r *Routes) checkTLS() error {
	c := r.TLS.Clone()
	if len(c.Certificates) == 0 && c.GetCertificate == nil {
		return errors.New("cluster: TLS of routes needs this node's certificate")
	}
	if c.RootCAs == nil {
		c.RootCAs = c.ClientCAs
	}
	if c.ClientCAs == nil {
		c.ClientCAs = c.RootCAs
	}
	if c.RootCAs == nil {
		return errors.New("cluster: TLS of routes needs the authority that signs the nodes' certificates")
	}
	if c.InsecureSkipVerify {
		return errors.New("cluster: TLS of routes has to verify the other node")
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	r.TLS = c
	return nil
}

func splitAddr(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("cluster: %q is not host:port: %w", addr, err)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("cluster: the port of %q is not a number up to 65535", addr)
	}
	return host, int(n), nil
}
