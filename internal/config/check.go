package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// form is a shape that a text can be required to have.
type form struct {
	words string // what is allowed, for people
	check func(string) bool
	clean func(string) string // gives the stored form; nil keeps the text
}

// forms lists the shapes by the name that the tag form gives.
var forms = map[string]form{
	"address":  {"host:port, such as 127.0.0.1:8080 or :8080", isAddress, nil},
	"web":      {"http:// or https:// and a host, without a path, such as https://voice.example.org", isOrigin, cleanOrigin},
	"origin":   {"http:// or https:// and a host, without a path, such as https://voice.example.org", isOrigin, cleanOrigin},
	"postgres": {"a URL such as postgres://user:password@host:5432/database", isPostgres, nil},
	"peer":     {"host:port of another machine, such as node2.example.org:6222", isPeer, nil},
	"nats":     {"URLs such as nats://host:4222 or tls://host:4222", isNATS, nil},
	"path":     {"a path", isPath, nil},
}

// checkText checks a text against the tags oneof and form.
func (d *declaration) checkText(s string) error {
	if s == "" {
		if d.mayBeEmpty() && d.field.Kind() == reflect.String {
			return nil
		}
		return errors.New("must not be empty")
	}
	if list := strings.Fields(d.tag.Get("oneof")); len(list) > 0 && !slices.Contains(list, s) {
		return fmt.Errorf("%q is not one of %s", s, inWords(list, "or"))
	}
	f, ok := forms[d.tag.Get("form")]
	if !ok || f.check(s) {
		return nil
	}
	if d.Secret { // never the value: it holds a password
		return errors.New("has the wrong form: write " + f.words)
	}
	return fmt.Errorf("%q has the wrong form: write %s", s, f.words)
}

// isAddress accepts what net.Listen does with a numeric port: a name or IP
// address, or nothing, then the port; 0 lets the system choose.
func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false
	}
	return host == "" || isHost(host)
}

// isPeer accepts the address of another machine, for which nothing is left open.
func isPeer(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && isAddress(s) && host != "" && strings.Trim(port, "0") != ""
}

// isHost accepts an IP address or a name in the alphabet of host names.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// parseURL parses a URL with one of the schemes and a host.
func parseURL(s string, schemes ...string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Opaque != "" {
		return nil, false
	}
	return u, true
}

// isOrigin accepts the origin of a web page (RFC 6454): scheme, host, port.
func isOrigin(s string) bool {
	u, ok := parseURL(s, "http", "https")
	return ok && isHost(u.Hostname()) && u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

// cleanOrigin writes an origin as browsers send it: in lower case, no slash.
func cleanOrigin(s string) string { return strings.ToLower(strings.TrimSuffix(s, "/")) }

// isPostgres accepts the URLs of libpq. The host may be missing: it can stand
// in the query, as the directory of a Unix socket.
func isPostgres(s string) bool {
	u, ok := parseURL(s, "postgres", "postgresql")
	return ok && (u.Host != "" || u.Query().Get("host") != "")
}

// isNATS accepts the address of a NATS server.
func isNATS(s string) bool {
	u, ok := parseURL(s, "nats", "tls")
	return ok && isHost(u.Hostname()) && (u.Path == "" || u.Path == "/")
}

// isPath accepts what a file system can hold.
func isPath(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// relation is a rule between several settings.
type relation struct {
	key     string // whose source the error is reported at
	problem string
	broken  func(*Config) bool
}

// relations lists the rules between settings, which are checked once each
// setting is valid by itself.
var relations = []relation{
	{"tls.cert", "tls.cert and tls.key go together: set both or neither", func(c *Config) bool {
		return (c.TLS.Cert == "") != (c.TLS.Key == "")
	}},
	{"bus.tls_cert", "bus.tls_cert and bus.tls_key go together: set both or neither", func(c *Config) bool {
		return (c.Bus.TLSCert == "") != (c.Bus.TLSKey == "")
	}},
	{"bus.cluster_listen", "off loopback it needs bus.tls_cert, bus.tls_key and bus.tls_ca, or bus.cluster_plain: nodes must prove who they are", func(c *Config) bool {
		return c.Bus.ClusterListen != "" && !c.Bus.ClusterPlain && !isLoopback(c.Bus.ClusterListen) && (c.Bus.TLSCert == "" || c.Bus.TLSCA == "")
	}},
	{"bus.cluster_listen", "is for the embedded NATS, and bus.nats_urls names an external one: set one of them", func(c *Config) bool {
		return c.Bus.ClusterListen != "" && len(c.Bus.NATSURLs) > 0
	}},
	{"bus.cluster_routes", "needs bus.cluster_listen, as bus.cluster_advertise does: routes go both ways", func(c *Config) bool {
		return (len(c.Bus.ClusterRoutes) > 0 || c.Bus.ClusterAdvertise != "") && c.Bus.ClusterListen == ""
	}},
	{"bus.kind", "must be nats for bus.nats_urls or bus.cluster_listen to do anything", func(c *Config) bool {
		return c.Bus.Kind != BusNATS && (len(c.Bus.NATSURLs) > 0 || c.Bus.ClusterListen != "")
	}},
	{"server.roles", "all already holds the other roles: name it alone, or leave it out", func(c *Config) bool {
		return len(c.Server.Roles) > 1 && slices.Contains(c.Server.Roles, RoleAll)
	}},
	{"server.roles", "a part of the roles needs other nodes for the rest: set database.url and bus.kind = nats", func(c *Config) bool {
		return !slices.Contains(c.Server.Roles, RoleAll) && (c.Database.SQLite() || c.Bus.Kind != BusNATS)
	}},
	{"live.max_frame", "must hold the longest message: groups.max_text or channels.max_text, and 1KiB around it", func(c *Config) bool {
		return c.Live.MaxFrame < max(c.Groups.MaxText, Size(c.Channels.MaxText))+1<<10
	}},
	{"enrolment.page", "must not be above enrolment.max_page", func(c *Config) bool {
		return c.Enrolment.Page > c.Enrolment.MaxPage
	}},
	{"enrolment.invitation_expiry", "must not be above enrolment.invitation_expiry_max", func(c *Config) bool {
		return c.Enrolment.InvitationExpiry > c.Enrolment.InvitationExpiryMax
	}},
	{"ops.listen", "must not be server.listen: it is open to everybody who reaches it", func(c *Config) bool {
		return c.Ops.Listen != "" && c.Ops.Listen == c.Server.Listen && !strings.HasSuffix(c.Ops.Listen, ":0")
	}},
}

// isLoopback says whether an address can be reached from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
