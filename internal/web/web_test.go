package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"muster/internal/web"
)

const (
	immutable = "public, max-age=31536000, immutable"
	asHTML    = "text/html,application/xhtml+xml,*/*;q=0.8"
)

// built is a client as a build leaves it; the compressed forms are marked, not
// compressed, so that a test sees which one it got.
func built() fstest.MapFS {
	files := fstest.MapFS{}
	for name, body := range map[string]string{
		"index.html": "the page", "index.html.br": "the page, br", "index.html.gz": "the page, gz",
		"placeholder.html":        "no client",
		"assets/index-4fe2.js":    "the script",
		"assets/index-4fe2.js.br": "the script, br", "assets/index-4fe2.js.gz": "the script, gz",
		"assets/only-77.css": "the style", "assets/only-77.css.gz": "the style, gz",
		"favicon.svg": "<svg/>", "odd.bin": "?", "manifest.webmanifest": "{}", "alone.gz": "an archive",
	} {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return files
}

// serve puts a client on a real socket, with an answer behind it as the API's.
func serve(t *testing.T, files fstest.MapFS) (url string, c *web.Client) {
	t.Helper()
	c, err := web.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.Serve(w, r) {
			http.Error(w, "nobody's", http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, c
}

// received is an answer that has been read.
type received struct {
	status int
	length int64
	header http.Header
	body   string
}

// ask sends a request whose headers are exactly those that are given.
func ask(t *testing.T, method, url string, header ...string) received {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	plain := &http.Transport{DisableCompression: true}
	defer plain.CloseIdleConnections()
	res, err := plain.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return received{res.StatusCode, res.ContentLength, res.Header, string(body)}
}

func TestServe(t *testing.T) {
	t.Parallel()
	url, c := serve(t, built())
	if !c.Built() {
		t.Error("a client with an index is not taken for one")
	}
	for _, test := range []struct {
		method, path, accept, encoding string
		status                         int
		body, kind, coding, caching    string
	}{
		{"GET", "/", "", "", 200, "the page", "text/html; charset=utf-8", "", "no-cache"},
		{"GET", "/", asHTML, "gzip, deflate, br, zstd", 200, "the page, br", "text/html; charset=utf-8", "br", "no-cache"},
		{"GET", "/", asHTML, "gzip", 200, "the page, gz", "text/html; charset=utf-8", "gzip", "no-cache"},
		{"GET", "/setup", asHTML, "gzip", 200, "the page, gz", "text/html; charset=utf-8", "gzip", "no-cache"},
		{"GET", "/group/77/members", asHTML, "", 200, "the page", "text/html; charset=utf-8", "", "no-cache"},
		{"GET", "/channel/a.b", asHTML, "", 200, "the page", "text/html; charset=utf-8", "", "no-cache"},
		{"GET", "/index.html", asHTML, "", 200, "the page", "text/html; charset=utf-8", "", "no-cache"},
		{"HEAD", "/", asHTML, "br", 200, "", "text/html; charset=utf-8", "br", "no-cache"},
		{"GET", "/assets/index-4fe2.js", "*/*", "br", 200, "the script, br", "text/javascript; charset=utf-8", "br", immutable},
		{"GET", "/assets/index-4fe2.js", "*/*", "", 200, "the script", "text/javascript; charset=utf-8", "", immutable},
		{"GET", "/assets/only-77.css", "*/*", "br", 200, "the style", "text/css; charset=utf-8", "", immutable},
		{"GET", "/assets/only-77.css", "*/*", "br, gzip", 200, "the style, gz", "text/css; charset=utf-8", "gzip", immutable},
		{"GET", "/favicon.svg", "*/*", "br, gzip", 200, "<svg/>", "image/svg+xml", "", "no-cache"},
		{"GET", "/manifest.webmanifest", "*/*", "br", 200, "{}", "application/manifest+json", "", "no-cache"},
		{"GET", "/odd.bin", "*/*", "", 200, "?", "application/octet-stream", "", "no-cache"},
		{"GET", "/alone.gz", "*/*", "gzip", 200, "an archive", "application/octet-stream", "", "no-cache"},

		// What is not the client's.
		{"POST", "/", asHTML, "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/setup", "*/*", "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/metrics", "", "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/muster.v1.GroupService/Sned", asHTML, "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/assets/index-old.js", asHTML, "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/assets/", asHTML, "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/index.html.gz", "*/*", "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
		{"GET", "/placeholder.html", "*/*", "", 404, "nobody's\n", "text/plain; charset=utf-8", "", ""},
	} {
		header := []string{}
		if test.accept != "" {
			header = append(header, "Accept", test.accept)
		}
		if test.encoding != "" {
			header = append(header, "Accept-Encoding", test.encoding)
		}
		res := ask(t, test.method, url+test.path, header...)
		got := res.header
		if res.status != test.status || res.body != test.body || got.Get("Content-Type") != test.kind || got.Get("Content-Encoding") != test.coding ||
			got.Get("Cache-Control") != test.caching {
			t.Errorf("%s %s (%s; %s): %d %q, %v", test.method, test.path, test.accept, test.encoding, res.status, res.body, got)
		}
		if test.status != http.StatusOK {
			continue
		}
		if (got.Get("Content-Security-Policy") != "") != strings.HasPrefix(test.kind, "text/html") {
			t.Errorf("%s: the policy is %q", test.path, got.Get("Content-Security-Policy"))
		}
		if res.length <= 0 || got.Get("Etag") == "" {
			t.Errorf("%s: length %d, tag %q", test.path, res.length, got.Get("Etag"))
		}
	}
}

// TestRevalidation asks again with the tag of what it has: each form has one of
// its own.
func TestRevalidation(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, built())
	tags := map[string]bool{}
	for _, coding := range []string{"identity", "gzip", "br"} {
		first := ask(t, http.MethodGet, url+"/", "Accept-Encoding", coding)
		tag := first.header.Get("Etag")
		if tags[tag] || first.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: tag %s, Vary %q", coding, tag, first.header.Get("Vary"))
		}
		tags[tag] = true
		for list, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, "": 200, strings.Trim(tag, `"`): 200,
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				res := ask(t, method, url+"/", "Accept-Encoding", coding, "If-None-Match", list)
				if res.status != want || (want == 304 && (res.body != "" || res.header.Get("Etag") != tag || res.header.Get("Cache-Control") != "no-cache")) {
					t.Errorf("%s %s with %s: %d %q", method, coding, list, res.status, res.body)
				}
			}
		}
	}
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, built())
	for accept, want := range map[string]string{
		"": "", "br": "br", "gzip": "gzip", "*": "br", "BR": "br", "gzip, br": "br", "br;q=0.2, gzip;q=0.8": "gzip", "br;q=0, gzip": "gzip",
		"br;q=0": "", "*;q=0": "", "br;q=0, *": "gzip", "identity, br;q=0.5": "", "identity;q=0": "", "deflate, zstd": "", "br;q=x": "",
		"br;q=2": "", "br; Q=0.5": "br", " br ; q=1.0 ,": "br", ";;;,,=": "", "gzip;q=1.0, identity; q=0.5, *;q=0": "gzip",
	} {
		res := ask(t, http.MethodGet, url+"/", "Accept-Encoding", accept)
		if got := res.header.Get("Content-Encoding"); got != want {
			t.Errorf("%q gets %q, not %q", accept, got, want)
		}
	}
}

// TestPolicy holds what a browser lets the page do, whatever the Host says.
func TestPolicy(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, built())
	for host, live := range map[string]string{
		"talk.example.org": " ws://talk.example.org wss://talk.example.org", "[::1]:8080": " ws://[::1]:8080 wss://[::1]:8080",
		"a;script-src*": "", "a,b": "", "a'unsafe-inline'": "",
	} {
		res := raw(t, strings.TrimPrefix(url, "http://"), host)
		if res.status == http.StatusBadRequest {
			continue // net/http knows that host for what it is
		}
		directives := map[string]string{}
		for directive := range strings.SplitSeq(res.header.Get("Content-Security-Policy"), ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
			directives[name] = value
		}
		for name, want := range map[string]string{
			"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'" + live, "base-uri": "'none'",
			"form-action": "'self'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'", "trusted-types": "'none'",
		} {
			if got, ok := directives[name]; !ok || got != want {
				t.Errorf("%q: %s is %q, not %q", host, name, got, want)
			}
		}
	}
}

// raw sends a request with a Host that no client library would.
func raw(t *testing.T, address, host string) received {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return received{status: res.StatusCode, header: res.Header}
}

// TestPlaceholder wants a program without a client to say so, to people who open
// a page, the owner's link among them.
func TestPlaceholder(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("client/placeholder.html")
	if err != nil {
		t.Fatal(err)
	}
	url, c := serve(t, fstest.MapFS{"placeholder.html": &fstest.MapFile{Data: page}})
	if c.Built() {
		t.Error("the placeholder is taken for a client")
	}
	for _, path := range []string{"/", "/setup"} {
		res := ask(t, http.MethodGet, url+path, "Accept", asHTML)
		if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, "make build") || res.header.Get("Etag") != "" {
			t.Errorf("%s: %d %v %q", path, res.status, res.header, res.body)
		}
	}
	for _, bad := range []string{"<style", "style=", "<script", "src=", "href="} {
		if strings.Contains(string(page), bad) {
			t.Errorf("the placeholder holds %s, which its policy forbids", bad)
		}
	}
	if _, err := web.Load(fstest.MapFS{"a.js": &fstest.MapFile{}}); err == nil {
		t.Error("a folder without any page was loaded")
	}
}

// TestEmbedded reads whatever this program was built with.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	web.New()
}
