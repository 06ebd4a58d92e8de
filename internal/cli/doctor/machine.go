package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ports looks whether the server could listen.
func (x *examination) ports(ctx context.Context) []Result {
	var results []Result
	for _, l := range []struct{ check, address string }{{"server.listen", x.Config.Server.Listen}, {"ops.listen", x.Config.Ops.Listen}} {
		switch {
		case l.address == "":
		case x.Running != nil && l.check == "server.listen" && !samePort(l.address, x.Running.URL):
			results = append(results, skip(l.check, "the running server is at %s, not at %s: it was started with other settings than these", x.Running.URL, l.address))
		case x.Running != nil:
			results = append(results, skip(l.check, "%s is the running server's", l.address))
		default:
			results = append(results, free(ctx, l.check, l.address))
		}
	}
	return results
}

// samePort says whether a server that was told to listen on the address can be
// the one at the URL. Port 0 takes any, and what is no URL says nothing.
func samePort(address, at string) bool {
	_, port, _ := net.SplitHostPort(address)
	u, err := url.Parse(at)
	return err != nil || u.Port() == "" || port == "0" || u.Port() == port
}

func free(ctx context.Context, check, address string) Result {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fail(check, "stop what has it (ss -ltnp shows it), or choose another with --"+check, "%v", err)
	}
	_ = l.Close() // it was only tried
	return ok(check, "%s is free", address)
}

// The time before the end of a certificate when it is time to act.
const certificateEnds = 14 * 24 * time.Hour

// tls looks at the certificate.
func (x *examination) tls(context.Context) []Result {
	const check = "TLS"
	c := x.Config.TLS
	if c.Cert == "" {
		host, _, _ := net.SplitHostPort(x.Config.Server.Listen)
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return []Result{skip(check, "plain HTTP on loopback; browsers elsewhere need TLS, from a proxy or tls.cert")}
		}
		return []Result{warn(check, "set tls.cert and tls.key, or listen on loopback behind a proxy that adds TLS", "%s is plain HTTP and can be reached by others: passwords can be read on the way", x.Config.Server.Listen)}
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return []Result{fail(check, "the chain goes into tls.cert, the leaf first, and its key into tls.key, both PEM", "%v", err)}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return []Result{fail(check, "", "%v", err)}
	}
	results := []Result{x.judge(leaf)}
	if info, err := os.Stat(c.Key); err == nil && info.Mode().Perm()&0o007 != 0 {
		results = append(results, warn("TLS key", "chmod 600 "+c.Key, "%s can be read by everybody on this machine", c.Key))
	}
	return results
}

// judge looks at the dates and the name of a certificate.
func (x *examination) judge(leaf *x509.Certificate) Result {
	const check = "TLS"
	now := x.Now()
	until := leaf.NotAfter.Format("2006-01-02")
	if u, err := url.Parse(x.Config.Server.PublicURL); err == nil && u.Hostname() != "" {
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			return fail(check, "get a certificate for the host of server.public_url", "%v", err)
		}
	}
	switch {
	case now.After(leaf.NotAfter):
		return fail(check, "renew it", "the certificate ended on %s", until)
	case now.Before(leaf.NotBefore):
		return fail(check, "is the clock right?", "the certificate begins on %s", leaf.NotBefore.Format("2006-01-02"))
	case leaf.NotAfter.Sub(now) < certificateEnds:
		return warn(check, "renew it", "the certificate ends on %s", until)
	}
	return ok(check, "certificate for %s until %s", strings.Join(leaf.DNSNames, ", "), until)
}

// built is before any clock can rightly be: ids count from 2025.
const built = 2025

// clock looks whether the machine knows the time.
func (x *examination) clock(context.Context) []Result {
	const check = "clock"
	now := x.Now()
	if now.Year() < built {
		return []Result{fail(check, "set it, and let NTP keep it", "it is %s", now.Format(time.RFC3339))}
	}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return []Result{ok(check, "%s", now.Format(time.RFC3339))}
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return []Result{warn(check, "run chrony, systemd-timesyncd or another NTP client", "%s, not synchronised with anything", now.Format(time.RFC3339))}
	}
	return []Result{ok(check, "%s, synchronised", now.Format(time.RFC3339))}
}

// ownFiles is what the server opens beside live sockets.
const ownFiles = 256

// files looks at the limit of open files, of which every live socket is one.
func (x *examination) files(context.Context) []Result {
	const check = "open files"
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return []Result{warn(check, "", "the limit cannot be asked: %v", err)}
	}
	want := uint64(x.Connections + ownFiles) //nolint:gosec // a count
	have := limit.Max                        // the Go runtime raises the soft limit to it
	if have < want {
		return []Result{warn(check, fmt.Sprintf("set LimitNOFILE=%d in the unit, or ulimit -n %d, for %d connections", roundUp(want), roundUp(want), x.Connections),
			"at most %d: good for about %d connections", have, max(int64(have)-ownFiles, 0))} //nolint:gosec // far below
	}
	return []Result{ok(check, "at most %d, enough for %d connections", have, x.Connections)}
}

// roundUp gives the next power of two.
func roundUp(n uint64) uint64 {
	p := uint64(1024)
	for p < n {
		p *= 2
	}
	return p
}

// kernel looks at the settings of the system that bound many connections.
func (x *examination) kernel(context.Context) []Result {
	var results []Result
	n := x.Connections
	for _, s := range []struct {
		file, name string
		want       int
		why        string
	}{
		{"net/core/somaxconn", "net.core.somaxconn", min(max(n/10, 128), 4096), "connections that come at once are dropped above it"},
		{"net/ipv4/tcp_max_syn_backlog", "net.ipv4.tcp_max_syn_backlog", min(max(n/10, 128), 4096), "handshakes that come at once are dropped above it"},
		{"net/netfilter/nf_conntrack_max", "net.netfilter.nf_conntrack_max", 2 * n, "the firewall forgets connections above it"},
		{"fs/nr_open", "fs.nr_open", n + ownFiles, "no process may open more files, whatever its limit"},
		{"fs/file-max", "fs.file-max", n + 10*ownFiles, "the whole system opens no more files"},
	} {
		have, known := sysctl(s.file)
		if known && have < s.want {
			results = append(results, warn(s.name, fmt.Sprintf("sysctl -w %s=%d", s.name, s.want), "%d: %s", have, s.why))
		}
	}
	if data, err := os.ReadFile("/proc/sys/net/ipv4/tcp_mem"); err == nil {
		results = append(results, socketMemory(string(data), n)...)
	}
	results = append(results, x.proxyPorts()...)
	if len(results) == 0 {
		return []Result{ok("kernel", "its limits are enough for %d connections", n)}
	}
	return results
}

// socketMemory looks at how much the buffers of all sockets may take (tcp(7),
// tcp_mem: three numbers of pages, above the second of which the kernel shrinks
// everybody's). An idle connection has nothing in them, and one that a message is
// on its way to has a page.
func socketMemory(setting string, connections int) []Result {
	const check = "net.ipv4.tcp_mem"
	var low, pressure, high int
	if _, err := fmt.Sscan(setting, &low, &pressure, &high); err != nil || pressure >= connections {
		return nil
	}
	return []Result{warn(check, fmt.Sprintf(`sysctl -w %s="%d %d %d"`, check, connections-connections/4, connections, connections+connections/2),
		"%d pages: a message to all of %d connections at once needs as many, and the kernel throttles every socket above it", pressure, connections)}
}

// proxyPorts counts the ports of this machine: a proxy on it needs one for each
// connection that it hands on to the server's one address.
func (x *examination) proxyPorts() []Result {
	const check = "net.ipv4.ip_local_port_range"
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil || len(x.Config.Server.TrustedProxies) == 0 {
		return nil
	}
	var low, high int
	if _, err := fmt.Sscan(string(data), &low, &high); err != nil || high-low >= x.Connections {
		return nil
	}
	return []Result{warn(check, "sysctl -w "+check+`="1024 65535"; above 64,000 connections let the proxy use several addresses`,
		"%d ports: a proxy on this machine cannot hand on more connections", high-low)}
}

// sysctl reads a number of the kernel; false where there is none.
func sysctl(file string) (int, bool) {
	data, err := os.ReadFile("/proc/sys/" + file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return 1 << 62, true // more than a number can hold
	}
	return int(n), true
}
