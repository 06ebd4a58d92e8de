package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The prefixes say what a token is for, to people and to scanners for leaked
// secrets.
const (
	sessionPrefix = "mst_"
	setupPrefix   = "mss_"
	claimPrefix   = "msc_"
)

// tokenBytes is how much chance is in a token.
const tokenBytes = 32

// tokenLen is the length of a token, prefix included.
var tokenLen = len(sessionPrefix) + base64.RawURLEncoding.EncodedLen(tokenBytes)

// newToken makes a token and the hash that is stored of it.
func newToken(prefix string) (string, TokenHash) {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	token := prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return token, sha256.Sum256([]byte(token))
}

// hashToken gives the hash of a token that somebody shows, and whether it can be
// one at all.
func hashToken(token string, prefixes ...string) (TokenHash, bool) {
	if len(token) != tokenLen {
		return TokenHash{}, false
	}
	for _, p := range prefixes {
		if strings.HasPrefix(token, p) {
			return sha256.Sum256([]byte(token)), true
		}
	}
	return TokenHash{}, false
}
