package gateway

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// headReader takes apart the head of a live socket's handshake. It is for the
// usual ones only: what it does not take (false) has to be read by net/http, which
// also finds the words for what is wrong. What it takes, net/http would take and
// read alike; FuzzHead holds it to that.
//
// The request is the reader's own and is valid until the next head.
type headReader struct {
	req    http.Request
	url    url.URL
	values []string
}

// maxHeaders bounds the lines of a head.
const maxHeaders = 48

const livePath = "/live"

// read takes a head with its empty line at the end.
func (h *headReader) read(head string) (*http.Request, bool) {
	line, rest, ok := strings.Cut(head, "\r\n")
	target, isGet := strings.CutPrefix(line, "GET ")
	target, isNew := strings.CutSuffix(target, " HTTP/1.1")
	query, isLive := strings.CutPrefix(target, livePath)
	if !ok || !isGet || !isNew || !isLive || query != "" && (query[0] != '?' || !plainText(query)) {
		return nil, false
	}
	if h.req.Header == nil {
		h.req.Header = make(http.Header, maxHeaders)
		h.values = make([]string, maxHeaders)
	}
	header := h.req.Header
	clear(header)
	h.url = url.URL{Path: livePath}
	if query != "" {
		h.url.RawQuery = query[1:]
		h.url.ForceQuery = len(query) == 1
	}
	h.req = http.Request{Method: http.MethodGet, URL: &h.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: http.NoBody, RequestURI: target}
	for n := 0; ; n++ {
		line, rest, ok = strings.Cut(rest, "\r\n")
		if line == "" {
			return &h.req, ok && rest == "" && h.req.Host != ""
		}
		if n == maxHeaders || !ok || !h.line(line, n) {
			return nil, false
		}
	}
}

// line takes one header.
func (h *headReader) line(line string, n int) bool {
	name, value, ok := strings.Cut(line, ":")
	value = strings.Trim(value, " \t")
	if !ok || !isToken(name) || !isValue(value) {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
		return false // these mean something to net/http
	case "Host":
		if h.req.Host != "" || !isHost(value) {
			return false
		}
		h.req.Host = value
		return true
	}
	if before := h.req.Header[name]; before != nil {
		h.req.Header[name] = append(before, value)
		return true
	}
	h.values[n] = value
	h.req.Header[name] = h.values[n : n+1 : n+1]
	return true
}

// isToken says whether a header's name is one (RFC 9110, section 5.6.2), of
// letters, digits and dashes only.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '-' {
			return false
		}
	}
	return s != ""
}

// isValue says whether a header's value is plain text.
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// plainText says whether a query needs no reading: ASCII without spaces, escapes
// and what ends it.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '%' {
			return false
		}
	}
	return true
}

// isHost says whether a host is a name or an address, with a port or without.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && !strings.ContainsRune(".-_:[]", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }
