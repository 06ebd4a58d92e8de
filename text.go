package muster

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The bounds of names, in characters.
const (
	MinAccountName = 2
	MaxAccountName = 32
	MaxNickname    = 64
	MaxTitle       = 100 // names of channels, groups and subgroups
	MaxAbout       = 1000
)

// ParseAccountName checks the name that somebody signs in with and gives its
// stored form: 2 to 32 of a-z, 0-9, dot, underscore and hyphen, starting with a
// letter or a digit. Upper case is folded.
func ParseAccountName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if len(name) < MinAccountName || len(name) > MaxAccountName {
		return "", Invalid("name", "an account name has %d to %d characters", MinAccountName, MaxAccountName)
	}
	for i := range len(name) {
		c := name[i]
		letterOrDigit := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letterOrDigit && (i == 0 || c != '.' && c != '_' && c != '-') {
			return "", Invalid("name", "an account name holds a-z, 0-9, dot, underscore and hyphen, and starts with a letter or a digit")
		}
	}
	return name, nil
}

// ParseTitle checks a one-line name for people (a nickname, a channel, a group)
// and gives its stored form: valid UTF-8 in NFC, no control characters, inner
// white space collapsed, at least one and at most limit characters. field names
// it in the error.
func ParseTitle(field, s string, limit int) (string, error) {
	if !utf8.ValidString(s) {
		return "", Invalid(field, "is not valid UTF-8")
	}
	clean := strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	if clean == "" {
		return "", Invalid(field, "must not be empty")
	}
	if utf8.RuneCountInString(clean) > limit {
		return "", Invalid(field, "has more than %d characters", limit)
	}
	for _, r := range clean {
		if unicode.IsControl(r) || isBidiControl(r) {
			return "", Invalid(field, "holds a control character (U+%04X)", r)
		}
	}
	return clean, nil
}

// ParseText checks a text of several lines and gives it back: valid UTF-8, no
// NUL, at most limit bytes, not blank. A text is stored as it was typed.
func ParseText(field, s string, limit int) (string, error) {
	switch {
	case len(s) > limit:
		return "", &Error{
			Code: CodeInvalidArgument, Reason: field + "_too_long", Field: field,
			Message: fmt.Sprintf("is too long: %d bytes, at most %d are allowed", len(s), limit),
		}
	case !utf8.ValidString(s):
		return "", Invalid(field, "is not valid UTF-8")
	case strings.ContainsRune(s, 0):
		return "", Invalid(field, "holds a NUL character")
	case strings.TrimSpace(s) == "":
		return "", Invalid(field, "must not be blank")
	}
	return s, nil
}

// NicknameKey is the form by which nicknames are sorted and searched: folded
// case and compatibility forms, so that "Ａnna" and "anna" meet.
func NicknameKey(nickname string) string {
	return strings.ToLower(norm.NFKC.String(nickname))
}

// isBidiControl reports the characters that turn the writing direction of what
// follows them, which make one name look like another.
func isBidiControl(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}
