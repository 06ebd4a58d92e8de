package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"golang.org/x/text/language"
)

// The pages are one template in two languages, one style sheet and one script,
// and no frame: what the owner's link and claim links open, and where people can
// set who may add them and answer invitations.

//go:embed page
var pageFiles embed.FS

// pageLanguages lists the languages of the pages; the first is the default.
var pageLanguages = []language.Tag{language.English, language.SimplifiedChinese}

// pagePolicy lets a page load its own style sheet and script and call the API,
// and nothing else (Content Security Policy level 3).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pages are the built-in pages, ready to be sent.
type pages struct {
	matcher language.Matcher
	html    [][]byte // by place in pageLanguages
	assets  map[string]asset
}

type asset struct {
	kind string
	body []byte
}

// loadPages reads what is compiled in; that it can be read is under test.
func loadPages() pages {
	p := pages{matcher: language.NewMatcher(pageLanguages), assets: map[string]asset{}}
	page := template.Must(template.ParseFS(pageFiles, "page/index.html"))
	for _, tag := range pageLanguages {
		base, _ := tag.Base()
		var text map[string]string
		if err := json.Unmarshal(pageFile(base.String()+".json"), &text); err != nil {
			panic(fmt.Sprintf("api: page/%v.json: %v", base, err))
		}
		var out bytes.Buffer
		if err := page.Execute(&out, struct {
			Lang string
			Text map[string]string
		}{tag.String(), text}); err != nil {
			panic(fmt.Sprintf("api: page/index.html: %v", err))
		}
		p.html = append(p.html, out.Bytes())
	}
	p.assets["/muster.css"] = asset{"text/css; charset=utf-8", pageFile("muster.css")}
	p.assets["/muster.js"] = asset{"text/javascript; charset=utf-8", pageFile("muster.js")}
	p.assets["/favicon.svg"] = asset{"image/svg+xml", pageFile("favicon.svg")}
	return p
}

func pageFile(name string) []byte {
	body, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic("api: " + err.Error())
	}
	return body
}

func (p pages) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("GET /setup", p.page)
	for path, a := range p.assets {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			send(w, a.kind, a.body)
		})
	}
}

func (p pages) page(w http.ResponseWriter, r *http.Request) {
	// A header that cannot be read names no language, which is the default.
	wanted, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	_, place, _ := p.matcher.Match(wanted...)
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Content-Language", pageLanguages[place].String())
	w.Header().Set("Vary", "Accept-Language")
	send(w, "text/html; charset=utf-8", p.html[place])
}

func send(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who has gone away is not told
}
