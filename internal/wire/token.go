package wire

import (
	"encoding/base64"
	"encoding/binary"

	"muster"
)

// List names a list that is paged, so that a token of one list is not taken for
// one of another.
type List byte

// The lists. The values are part of tokens and are not used again.
const (
	ListMyGroups List = iota + 1
	ListMembers
	ListEnrolments
	ListInvitations
	ListChannels
	ListRoster
	ListBans
	ListPresent
	ListAccounts
	ListBlocked
	ListAudit
)

// Cursor is where the next page of a list begins: behind the row with these
// keys. The lists use those of the fields that they sort by.
type Cursor struct {
	ID   int64
	Rank int64
	Name string
}

// maxCursorName bounds the name in a cursor, in bytes; a page token has at most
// 512 characters.
const maxCursorName = 340

// Token makes a cursor an opaque page token.
func Token(list List, c Cursor) string {
	b := make([]byte, 0, 2+2*binary.MaxVarintLen64+len(c.Name))
	b = append(b, byte(list))
	b = binary.AppendVarint(b, c.ID)
	b = binary.AppendVarint(b, c.Rank)
	b = append(b, c.Name...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads a page token of a list; the empty token is the zero Cursor,
// the beginning. Anything that Token did not make for this list is an
// invalid_argument error.
func ParseToken(list List, token string) (Cursor, error) {
	if token == "" {
		return Cursor{}, nil
	}
	bad := muster.Invalid("page_token", "is not one that this list gave out: begin again without it")
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != byte(list) {
		return Cursor{}, bad
	}
	b = b[1:]
	var c Cursor
	for _, v := range []*int64{&c.ID, &c.Rank} {
		var n int
		if *v, n = binary.Varint(b); n <= 0 {
			return Cursor{}, bad
		}
		b = b[n:]
	}
	if len(b) > maxCursorName {
		return Cursor{}, bad
	}
	c.Name = string(b)
	return c, nil
}
