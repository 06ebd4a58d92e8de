package channel

import (
	"encoding/base64"
	"strconv"
	"strings"

	"muster"
)

// The bounds of pages.
const (
	defaultPage = 100
	// MaxPage is the most items of one page.
	MaxPage = 1000
)

// pageSize gives the size of a page that was asked for, within its bounds.
func pageSize(asked int) int {
	if asked <= 0 {
		return defaultPage
	}
	return min(asked, MaxPage)
}

// A page token is where the next page begins: a letter for the kind of list,
// numbers, and at most one text at the end. It grants nothing: rights are
// checked again with every page.

// token makes one.
func token(kind string, text string, numbers ...int64) string {
	var b strings.Builder
	b.WriteString(kind)
	for _, n := range numbers {
		b.WriteByte(':')
		b.WriteString(strconv.FormatInt(n, 36))
	}
	b.WriteByte(':')
	b.WriteString(text)
	return base64.RawURLEncoding.EncodeToString([]byte(b.String()))
}

// parseToken reads one of a kind with so many numbers; ok is false for "".
func parseToken(kind, s string, numbers ...*int64) (text string, ok bool, err error) {
	if s == "" {
		return "", false, nil
	}
	bad := muster.Invalid("page_token", "is not one that this list gave")
	raw, decodeErr := base64.RawURLEncoding.DecodeString(s)
	if decodeErr != nil {
		return "", false, bad
	}
	parts := strings.SplitN(string(raw), ":", len(numbers)+2)
	if len(parts) != len(numbers)+2 || parts[0] != kind {
		return "", false, bad
	}
	for i, n := range numbers {
		if *n, decodeErr = strconv.ParseInt(parts[i+1], 36, 64); decodeErr != nil {
			return "", false, bad
		}
	}
	text = parts[len(numbers)+1]
	if strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0) {
		return "", false, bad
	}
	return text, true, nil
}
