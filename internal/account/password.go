package account

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"muster"
)

// maxPassword is the longest password in bytes: a sentence fits, a flood does
// not.
const maxPassword = 1024

// minPassword is the shortest that can be configured, in characters (NIST SP
// 800-63B).
const minPassword = 8

//go:embed common_passwords.txt
var commonPasswordText string

// commonPasswords are the passwords that everybody tries first, in lower case.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for line := range strings.Lines(commonPasswordText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			set[line] = true
		}
	}
	return set
})

// checkPassword says whether an account may have this password. There are no
// rules about kinds of characters: they make passwords worse.
func checkPassword(field, password, name string, shortest int) error {
	if len(password) > maxPassword {
		return muster.Invalid(field, "has more than %d bytes", maxPassword)
	}
	if !utf8.ValidString(password) {
		return muster.Invalid(field, "is not valid UTF-8")
	}
	plain := strings.ToLower(norm.NFC.String(password))
	if n := utf8.RuneCountInString(plain); n < shortest {
		return &muster.Error{
			Code: muster.CodeInvalidArgument, Reason: "password_short", Field: field,
			Message: "has " + plural(n) + ": it needs " + plural(shortest) + " at least, and a sentence is better",
		}
	}
	switch {
	case name != "" && (plain == name || plain == name+name || plain == reversed(name)):
		return weak(field, "is the name of the account")
	case commonPasswords()[plain]:
		return weak(field, "is one of those that are guessed first")
	case repeats(plain) || runs(plain):
		return weak(field, "is a simple pattern, and those are guessed first")
	}
	return nil
}

func weak(field, what string) error {
	return &muster.Error{Code: muster.CodeInvalidArgument, Reason: "password_weak", Field: field, Message: what}
}

// repeats says whether the text is a piece of up to three characters over and
// over: aaaaaaaa, abababab, 123123123.
func repeats(s string) bool {
	r := []rune(s)
	for size := 1; size <= 3; size++ {
		same := true
		for i := size; i < len(r) && same; i++ {
			same = r[i] == r[i-size]
		}
		if same {
			return true
		}
	}
	return false
}

// runs says whether the text goes up or down by one all along: abcdefgh,
// 98765432.
func runs(s string) bool {
	r := []rune(s)
	if len(r) < 2 {
		return true
	}
	step := r[1] - r[0]
	if step != 1 && step != -1 {
		return false
	}
	for i := 2; i < len(r); i++ {
		if r[i]-r[i-1] != step {
			return false
		}
	}
	return true
}

func reversed(s string) string {
	b := []byte(s) // names are ASCII
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}
