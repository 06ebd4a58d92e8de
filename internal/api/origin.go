package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"muster/internal/account"
)

// The names of the cookie that carries a session. The first is for TLS; its
// prefix makes browsers hold it to this host, to TLS and to the whole site
// (RFC 6265bis, section 4.1.3.2). Plain HTTP from the machine itself, as in a
// first try, gets the second, which has no Secure attribute; plain HTTP from
// elsewhere gets no cookie. Neither name is read where the other belongs.
const (
	secureCookie   = "__Host-muster"
	loopbackCookie = "muster"
)

// origin is where a request comes from.
type origin struct {
	client netip.Addr // zero: the machine itself, through a unix socket
	tls    bool       // the client speaks TLS, with this server or with a trusted proxy
	// loopback: plain HTTP without a proxy, by a client on this machine.
	loopback bool
}

func (o origin) scheme() string {
	if o.tls {
		return "https"
	}
	return "http"
}

// cookie is the name of the cookie for such requests; "": none.
func (o origin) cookie() string {
	switch {
	case o.tls:
		return secureCookie
	case o.loopback:
		return loopbackCookie
	default:
		return ""
	}
}

// originOf finds out where a request comes from. Headers of proxies count only
// when a trusted proxy sent them.
func (a *API) originOf(r *http.Request) origin {
	o := origin{client: parseAddr(r.RemoteAddr), tls: r.TLS != nil}
	forwarded := r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("X-Forwarded-Proto") != "" || r.Header.Get("Forwarded") != ""
	if a.trusts(o.client) && forwarded {
		if proto := lastOf(r.Header.Values("X-Forwarded-Proto")); strings.EqualFold(proto, "https") {
			o.tls = true
		}
		o.client = a.behind(o.client, r.Header.Values("X-Forwarded-For"))
		return o
	}
	o.loopback = !o.tls && !forwarded && o.client.IsLoopback() && isLoopbackHost(r.Host)
	return o
}

// behind walks a list of proxies back, from the nearest, to the first address
// that no trusted proxy has. What does not read as an address ends the walk.
func (a *API) behind(nearest netip.Addr, forwarded []string) netip.Addr {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusts(nearest); i-- {
		hop := parseAddr(strings.TrimSpace(hops[i]))
		if !hop.IsValid() {
			break
		}
		nearest = hop
	}
	return nearest
}

func (a *API) trusts(addr netip.Addr) bool {
	for _, p := range a.opt.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// parseAddr reads an address with or without a port; the zero Addr is none.
func parseAddr(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func isLoopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.EqualFold(host, "localhost") || parseAddr(host).IsLoopback()
}

// lastOf is the last item of a list that may stand in several headers.
func lastOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	last := values[len(values)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// ClientAddress is where a request comes from, as the limits of logins count it:
// the peer, or what trusted proxies say stands behind them.
func (a *API) ClientAddress(r *http.Request) netip.Addr { return a.originOf(r).client }

// SessionToken is the session token that a request shows, in an Authorization
// header or in the cookie; "": none. The handshake of the live socket uses it.
func (a *API) SessionToken(r *http.Request) string { return sessionToken(r, a.originOf(r)) }

// sessionToken reads the token. A bearer token goes before a cookie.
func sessionToken(r *http.Request, o origin) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	name := o.cookie()
	if name == "" {
		return ""
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie gives a browser its session.
func (x *exchange) setCookie(h http.Header, in account.SignIn, now time.Time) {
	if name := x.origin.cookie(); name != "" {
		c := x.cookie(name, in.Token)
		c.MaxAge = max(int(in.Session.Expires.Sub(now)/time.Second), 1)
		h.Add("Set-Cookie", c.String())
	}
}

// clearCookie takes it back.
func (x *exchange) clearCookie(h http.Header) {
	if name := x.origin.cookie(); name != "" {
		c := x.cookie(name, "")
		c.MaxAge = -1
		h.Add("Set-Cookie", c.String())
	}
}

func (x *exchange) cookie(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: x.origin.tls, SameSite: http.SameSiteLaxMode}
}
