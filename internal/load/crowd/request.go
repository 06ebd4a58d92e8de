//go:build linux

package crowd

import (
	"crypto/rand"
	"strconv"

	"google.golang.org/protobuf/proto"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/load/socket"
)

// AppendRequest appends a request as the frame that carries it.
func AppendRequest(b []byte, f *musterv1.ClientFrame) ([]byte, error) {
	payload, err := proto.Marshal(f)
	if err != nil {
		return b, err
	}
	return socket.AppendFrame(b, socket.OpBinary, payload), nil
}

// life tells this process's messages from those of a measurement before, which
// the server may remember.
var life = rand.Text()[:10]

// MessageID is the client message id of a stamped message.
func MessageID(run uint16, sender, seq uint32) string {
	return life + "-" + strconv.FormatUint(uint64(run), 36) + "-" + strconv.FormatUint(uint64(sender), 36) + "-" + strconv.FormatUint(uint64(seq), 36)
}
