package api_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	v1 "muster/gen/muster/v1"

	"muster/internal/account"
	"muster/internal/api"
	"muster/internal/config"
)

const (
	loginPath  = "/muster.v1.AccountService/Login"
	mePath     = "/muster.v1.AccountService/GetAccount"
	logoutPath = "/muster.v1.AccountService/Logout"
	asJSON     = "application/json"
	annaLogin  = `{"name":"anna","password":"` + password + `"}`
)

// TestCookie signs a browser in on plain HTTP on the machine itself.
func TestCookie(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	n.person("anna", account.ServerUser)
	b := n.browser()
	res, body := n.post(b, loginPath, asJSON, annaLogin)
	c := cookieOf(t, res)
	if c.Name != "muster" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge < 89*24*3600 {
		t.Errorf("the cookie is %v", c)
	}
	if !strings.Contains(body, c.Value) {
		t.Error("the token is not in the answer, for scripts")
	}
	if res, body := n.post(b, mePath, asJSON, "{}"); res.StatusCode != http.StatusOK || !strings.Contains(body, `"anna"`) {
		t.Errorf("with the cookie: %s %s", res.Status, body)
	}
	// A bearer token goes before the cookie, a bad one too.
	other := n.person("berta", account.ServerUser)
	if _, body := n.post(b, mePath, asJSON, "{}", "Authorization", "Bearer "+other.token); !strings.Contains(body, `"berta"`) {
		t.Errorf("cookie and bearer: %s", body)
	}
	if res, _ := n.post(b, mePath, asJSON, "{}", "Authorization", "bearer nonsense"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("cookie and a bad bearer: %s", res.Status)
	}
	res, _ = n.post(b, logoutPath, asJSON, "{}")
	if c := cookieOf(t, res); c.Name != "muster" || c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("logout leaves %v", c)
	}
	if res, _ := n.post(n.with(c.Value), mePath, asJSON, "{}"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session goes on after the logout: %s", res.Status)
	}
}

func cookieOf(t *testing.T, res *received) *http.Cookie {
	t.Helper()
	if len(res.cookies) != 1 {
		t.Fatalf("%d cookies: %v", len(res.cookies), res.Header.Values("Set-Cookie"))
	}
	return res.cookies[0]
}

// TestCookieKinds holds which cookie a request gets and which one is read.
func TestCookieKinds(t *testing.T) {
	t.Parallel()
	trusting := startNode(t, nodeOptions{api: func(o *api.Options) { o.TrustedProxies = []netip.Prefix{loopback} }})
	careful := startNode(t, nodeOptions{})
	for _, test := range []struct {
		name    string
		n       *node
		headers []string
		want    string // the name of the cookie
		hsts    bool
	}{
		{"loopback", careful, nil, "muster", false},
		{"loopback under another name", careful, []string{"Host", "chat.example.com"}, "", false},
		{"somebody says that there is a proxy", careful, []string{"X-Forwarded-Proto", "https"}, "", false},
		{"a proxy that nobody trusts", careful, []string{"X-Forwarded-For", "192.0.2.1"}, "", false},
		{"a trusted proxy with TLS", trusting, []string{"X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.1"}, "__Host-muster", true},
		{"a trusted proxy without TLS", trusting, []string{"X-Forwarded-Proto", "http", "X-Forwarded-For", "192.0.2.1"}, "", false},
		{"the nearest proxy's word counts", trusting, []string{"X-Forwarded-Proto", "https, http", "X-Forwarded-For", "192.0.2.1"}, "", false},
		{"a trusted proxy's machine itself", trusting, nil, "muster", false},
	} {
		person := test.n.person(fresh("anna"), account.ServerUser)
		acct, err := test.n.domain.Accounts.GetAccount(t.Context(), person.account, 0)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Replace(annaLogin, "anna", acct.Name, 1)
		res, text := test.n.post(test.n.anonymous(), loginPath, asJSON, body, test.headers...)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", test.name, res.Status, text)
		}
		if hsts := res.Header.Get("Strict-Transport-Security") != ""; hsts != test.hsts {
			t.Errorf("%s: HSTS is %t", test.name, hsts)
		}
		got := ""
		if len(res.cookies) > 0 {
			got = res.cookies[0].Name
			if secure := res.cookies[0].Secure; secure != strings.HasPrefix(got, "__Host-") {
				t.Errorf("%s: Secure is %t", test.name, secure)
			}
		}
		if got != test.want {
			t.Errorf("%s: the cookie is %q, want %q", test.name, got, test.want)
		}
		for _, name := range []string{"muster", "__Host-muster"} {
			res, _ := test.n.post(test.n.anonymous(), mePath, asJSON, "{}", append([]string{"Cookie", name + "=" + person.token}, test.headers...)...)
			if read := res.StatusCode == http.StatusOK; read != (name == test.want) {
				t.Errorf("%s: the cookie %s is read: %t", test.name, name, read)
			}
		}
	}
}

// TestTLS serves a browser over TLS and HTTP/2.
func TestTLS(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	n.person("anna", account.ServerUser)
	server := httptest.NewUnstartedServer(n.api.Handler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	n.url = server.URL
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	b := n.caller(server.URL, "", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true})
	res, _ := n.post(b, loginPath, asJSON, annaLogin)
	c := cookieOf(t, res)
	if c.Name != "__Host-muster" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || res.ProtoMajor != 2 {
		t.Errorf("over %s: %v", res.Proto, c)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
	if res, body := n.post(b, mePath, asJSON, "{}", "Cookie", "__Host-muster="+c.Value); res.StatusCode != http.StatusOK {
		t.Errorf("with the cookie: %s %s", res.Status, body)
	}
}

// TestCrossOrigin turns away what a page of another site sends, with whatever
// session.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{api: func(o *api.Options) { o.PublicURL = "https://chat.example.com/" }})
	b := n.person("anna", account.ServerUser)
	for _, test := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"no browser", nil, http.StatusOK},
		{"the same origin", []string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"a neighbour", []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		{"another origin, old browser", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"the same origin, old browser", []string{"Origin", n.url}, http.StatusOK},
		{"the public URL behind a proxy", []string{"Origin", "https://chat.example.com", "Sec-Fetch-Site", "cross-site"}, http.StatusOK},
	} {
		res, body := n.post(b, mePath, asJSON, "{}", test.headers...)
		if res.StatusCode != test.status {
			t.Errorf("%s: %s %s", test.name, res.Status, body)
		}
		if test.status == http.StatusForbidden && !strings.Contains(body, `"permission_denied"`) {
			t.Errorf("%s: %s", test.name, body)
		}
	}
}

// TestClientAddress holds whose word about an address counts.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{loopback, netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, test := range []struct {
		name      string
		proxies   []netip.Prefix
		peer      string
		forwarded []string
		want      string
	}{
		{"no proxy", proxies, "192.0.2.7:1234", nil, "192.0.2.7"},
		{"a stranger's header", proxies, "192.0.2.7:1234", []string{"198.51.100.1"}, "192.0.2.7"},
		{"nobody is trusted", nil, "127.0.0.1:1234", []string{"198.51.100.1"}, "127.0.0.1"},
		{"one proxy", proxies, "127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"the client made up the rest", proxies, "127.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"a chain", proxies, "127.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"in several headers", proxies, "127.0.0.1:1234", []string{"1.1.1.1", "198.51.100.1", "10.1.1.1"}, "198.51.100.1"},
		{"proxies only", proxies, "127.0.0.1:1234", []string{"10.2.2.2, 10.1.1.1"}, "10.2.2.2"},
		{"what is no address", proxies, "127.0.0.1:1234", []string{"198.51.100.1, unknown, 10.1.1.1"}, "10.1.1.1"},
		{"with a port", proxies, "127.0.0.1:1234", []string{"198.51.100.1:99"}, "198.51.100.1"},
		{"IPv6", proxies, "[fd00::1]:1234", []string{"[2001:db8::5]:99"}, "2001:db8::5"},
		{"IPv4 in IPv6", proxies, "[::ffff:10.0.0.1]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
	} {
		a := api.New(api.Options{Clock: &handClock{}, Statistics: figures{}, TrustedProxies: test.proxies})
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.RemoteAddr = test.peer
		r.Header["X-Forwarded-For"] = test.forwarded
		if got := a.ClientAddress(r).String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestLoginLimits counts failed logins by the address behind a trusted proxy.
func TestLoginLimits(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{
		api:    func(o *api.Options) { o.TrustedProxies = []netip.Prefix{loopback} },
		config: func(c *config.Config) { c.Accounts.LoginAttemptsPerAddress = 3 },
	})
	n.person("anna", account.ServerUser)
	try := func(from string) *received {
		res, _ := n.post(n.anonymous(), loginPath, asJSON, `{"name":"nobody","password":"wrong password"}`, "X-Forwarded-For", from)
		return res
	}
	for range 3 {
		if res := try("192.0.2.1"); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("a wrong password: %s", res.Status)
		}
	}
	if res := try("192.0.2.1"); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("above the limit: %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
	if res := try("192.0.2.2"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("from another address: %s", res.Status)
	}
	n.clock.forward(16 * time.Minute)
	if res := try("192.0.2.1"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the window: %s", res.Status)
	}
	// The list of sessions shows the address behind the proxy.
	if res, body := n.post(n.anonymous(), loginPath, asJSON, annaLogin, "X-Forwarded-For", "192.0.2.9"); !strings.Contains(body, `"192.0.2.9"`) {
		t.Errorf("login: %s %s", res.Status, body)
	}
}

// TestLoginTellsNothing holds the answers for a name that exists and for one that
// does not together, byte by byte.
func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	n.person("anna", account.ServerUser)
	answer := func(name string) (*received, string) {
		res, body := n.post(n.anonymous(), loginPath, asJSON, `{"name":"`+name+`","password":"wrong password"}`)
		for _, h := range []string{"X-Request-Id", "Date"} {
			res.Header.Del(h)
		}
		return res, body
	}
	known, knownBody := answer("anna")
	unknown, unknownBody := answer("otto")
	if known.StatusCode != http.StatusUnauthorized || knownBody != unknownBody || known.Status != unknown.Status {
		t.Errorf("known: %s %s\nunknown: %s %s", known.Status, knownBody, unknown.Status, unknownBody)
	}
	if a, b := url.Values(known.Header).Encode(), url.Values(unknown.Header).Encode(); a != b {
		t.Errorf("headers: %s\n%s", a, b)
	}
}

// TestSetup makes the owner with the one-time link, and claims an account with
// another.
func TestSetup(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	token, err := n.domain.Accounts.EnsureSetup(t.Context())
	if err != nil || token == "" {
		t.Fatal(token, err)
	}
	if got := api.SetupLink("https://chat.example.com/", token); got != "https://chat.example.com/setup#"+token {
		t.Errorf("the link is %s", got)
	}
	register := func(name, token string) (*connect.Response[v1.RegisterResponse], error) {
		return n.anonymous().accounts.Register(t.Context(), connect.NewRequest(&v1.RegisterRequest{Name: name, Password: password, SetupToken: token}))
	}
	owner, err := register("boss", token)
	if err != nil || owner.Msg.GetAccount().GetServerRole() != v1.ServerRole_SERVER_ROLE_OWNER {
		t.Fatalf("the owner: %v, %v", owner, err)
	}
	if _, err := register("thief", token); connect.CodeOf(err) != connect.CodePermissionDenied || detail(err).GetReason() != "wrong_token" {
		t.Errorf("a second time: %v", err)
	}
	boss := n.with(owner.Msg.GetToken())
	made, err := boss.admin.CreateAccount(t.Context(), connect.NewRequest(&v1.CreateAccountRequest{Name: "anna"}))
	if err != nil {
		t.Fatal(err)
	}
	base, claim, ok := strings.Cut(made.Msg.GetClaimLink(), "/setup#")
	if !ok || base != n.url {
		t.Fatalf("the claim link is %s", made.Msg.GetClaimLink())
	}
	claimed, err := register("", claim)
	if err != nil || claimed.Msg.GetAccount().GetId() != made.Msg.GetAccount().GetId() {
		t.Errorf("claimed: %v, %v", claimed, err)
	}
	if strings.Contains(n.log.String(), claim) || strings.Contains(n.log.String(), token) || strings.Contains(n.log.String(), password) {
		t.Error("a secret is in the log")
	}
}

// TestOperator uses the admin socket.
func TestOperator(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	n.person("anna", account.ServerUser)
	op := n.operator()
	issued, err := op.admin.IssueSession(t.Context(), connect.NewRequest(&v1.IssueSessionRequest{Name: "anna", Device: "cli"}))
	if err != nil {
		t.Fatal(err)
	}
	me, err := n.with(issued.Msg.GetToken()).accounts.GetAccount(t.Context(), connect.NewRequest(&v1.GetAccountRequest{}))
	if err != nil || me.Msg.GetAccount().GetName() != "anna" {
		t.Errorf("with the issued session: %v, %v", me, err)
	}
	stats, err := op.admin.GetStatistics(t.Context(), connect.NewRequest(&v1.GetStatisticsRequest{}))
	if err != nil || stats.Msg.GetVersion() != "1.2.3" || stats.Msg.GetPeopleOnline() != 7 || stats.Msg.GetAccounts() != 3 ||
		stats.Msg.GetStore() != "sqlite" || stats.Msg.GetMemoryBytes() < 1<<20 || stats.Msg.GetStartedMs() == 0 {
		t.Errorf("statistics: %v, %v", stats, err)
	}
	made, err := op.admin.CreateAccount(t.Context(), connect.NewRequest(&v1.CreateAccountRequest{Name: "berta"}))
	if err != nil || !strings.HasPrefix(made.Msg.GetClaimLink(), "http://127.0.0.1:8080/setup#") {
		t.Errorf("an account: %v, %v", made, err)
	}
	audit, err := op.admin.ListAudit(t.Context(), connect.NewRequest(&v1.ListAuditRequest{}))
	if err != nil || len(audit.Msg.GetEntries()) == 0 || audit.Msg.GetEntries()[0].GetActorName() != "operator" {
		t.Errorf("the audit log: %v, %v", audit, err)
	}
	// It is no account: the other services want a session there too.
	if _, err := op.accounts.GetAccount(t.Context(), connect.NewRequest(&v1.GetAccountRequest{})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("an account of the operator: %v", err)
	}
	if _, err := op.channels.CreateChannel(t.Context(), connect.NewRequest(&v1.CreateChannelRequest{Name: "x"})); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("a channel of the operator: %v", err)
	}
}
