// Package web serves the web client, which is compiled into the program.
//
// The client is built from web/ and packed into the folder client by
// scripts/build-web; the repository holds only a page there that says so, which
// is what a program shows that was built without a client. Every file comes
// compressed already, as Brotli and as gzip, so that serving one is a look-up and
// a write.
//
// The package decides which paths are the client's and what a browser may do
// with its pages. Headers that every answer of the server has are the API's.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed client
var embedded embed.FS

// The names in the folder that mean something here.
const (
	indexName       = "index.html"
	placeholderName = "placeholder.html"
	// hashedFolder holds files whose names change with their content.
	hashedFolder = "assets/"
)

// kinds are the types of the files that a build makes. The machine's own table
// is not asked, because it differs between machines.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".webp": "image/webp", ".woff2": "font/woff2",
}

// Client is a web client, ready to be sent. Safe for concurrent use.
type Client struct {
	files map[string]*file // by path without the leading slash
	index *file            // the client's page, or the placeholder
	built bool
}

// file is one file of the client in the forms that it can be sent in.
type file struct {
	kind    string
	caching string
	page    bool
	forms   []form // the best first; the last one is the file as it is
}

// form is a file in one content coding (RFC 9110, section 8.4.1); "" is none.
type form struct {
	coding, tag, length string
	body                []byte
}

// codings are the forms that a build makes beside a file, the best first, with
// the endings of their names.
var codings = []struct{ name, ending string }{{"br", ".br"}, {"gzip", ".gz"}}

// New reads the client that is compiled in.
func New() *Client {
	folder, err := fs.Sub(embedded, "client")
	if err != nil {
		panic("web: " + err.Error()) // the name above is wrong
	}
	c, err := Load(folder)
	if err != nil {
		panic("web: " + err.Error()) // what is compiled in can be read
	}
	return c
}

// Load reads a client from a folder: an index.html, or else a placeholder.html,
// and any other files, each with its compressed forms beside it.
func Load(folder fs.FS) (*Client, error) {
	bodies := map[string][]byte{}
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		bodies[name], err = fs.ReadFile(folder, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &Client{files: map[string]*file{}}
	for name, body := range bodies {
		if isForm(name, bodies) {
			continue
		}
		c.files[name] = newFile(name, body, bodies)
	}
	placeholder := c.files[placeholderName]
	delete(c.files, placeholderName)
	if c.index, c.built = c.files[indexName]; !c.built {
		c.index = placeholder
	}
	if c.index == nil {
		return nil, fmt.Errorf("neither %s nor %s is there", indexName, placeholderName)
	}
	return c, nil
}

// isForm reports whether the file is a compressed form of another one.
func isForm(name string, bodies map[string][]byte) bool {
	for _, coding := range codings {
		if of, ok := strings.CutSuffix(name, coding.ending); ok && bodies[of] != nil {
			return true
		}
	}
	return false
}

func newFile(name string, body []byte, bodies map[string][]byte) *file {
	f := &file{kind: kinds[path.Ext(name)], caching: "no-cache", page: path.Ext(name) == ".html"}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	if strings.HasPrefix(name, hashedFolder) {
		f.caching = "public, max-age=31536000, immutable"
	}
	for _, coding := range codings {
		if packed, ok := bodies[name+coding.ending]; ok {
			f.forms = append(f.forms, newForm(coding.name, packed))
		}
	}
	f.forms = append(f.forms, newForm("", body))
	return f
}

func newForm(coding string, body []byte) form {
	sum := sha256.Sum256(body)
	return form{coding, `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`, strconv.Itoa(len(body)), body}
}

// Built reports whether the client is there, and not only its placeholder.
func (c *Client) Built() bool { return c.built }

// Serve answers a request if it is for the client, and reports whether it was:
// a file of the client, or any other path that a person opens in a browser, for
// which the client's own router finds the page. What scripts ask for is none of
// these, so that a mistyped call or a missing file gets an answer that says so.
func (c *Client) Serve(w http.ResponseWriter, r *http.Request) (served bool) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if f, ok := c.files[name]; ok && name != indexName {
		f.send(w, r, http.StatusOK)
		return true
	}
	if name != "" && !opened(r) {
		return false
	}
	status := http.StatusOK
	if !c.built {
		status = http.StatusServiceUnavailable
	}
	c.index.send(w, r, status)
	return true
}

// opened reports whether somebody opens the path as a page. Browsers name HTML
// for pages, and nothing but pages.
func opened(r *http.Request) bool {
	path := r.URL.Path
	return strings.Contains(r.Header.Get("Accept"), "text/html") &&
		!strings.HasPrefix(path, "/muster.") && !strings.HasPrefix(path, "/"+hashedFolder)
}

// send writes the file in the best form that the client takes.
func (f *file) send(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	best := f.forms[len(f.forms)-1]
	if len(f.forms) > 1 {
		header.Add("Vary", "Accept-Encoding")
		best = choose(f.forms, r.Header.Values("Accept-Encoding"))
	}
	header.Set("Cache-Control", f.caching)
	if f.page {
		header.Set("Content-Security-Policy", policy(r.Host))
	}
	if status == http.StatusOK {
		header.Set("Etag", best.tag)
		if has(r.Header.Values("If-None-Match"), best.tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", best.length)
	if best.coding != "" {
		header.Set("Content-Encoding", best.coding)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(best.body) // who has gone away is not told
	}
}

// hostForm is what may stand in a policy: a host name or an address, and a port.
var hostForm = regexp.MustCompile(`^[0-9A-Za-z._\-\[\]:]+$`)

// policy is what a browser lets the client's pages do (Content Security Policy
// level 3 and Trusted Types): load the client's own files and talk to this
// server, and nothing else. The live socket is named because not every browser
// takes 'self' for a WebSocket.
func policy(host string) string {
	live := ""
	if hostForm.MatchString(host) {
		live = " ws://" + host + " wss://" + host
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; manifest-src 'self'; connect-src 'self'" + live +
		"; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}
