package wire

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// The subprotocols of the live socket.
const (
	SubprotocolProto = "muster.v1.proto"
	SubprotocolJSON  = "muster.v1.json"
)

// ParseClientFrame decodes what a client sent, in JSON or in protobuf, and
// checks its limits. Fields that this program does not know are passed over, so
// that newer clients can talk to it. The error is invalid_argument.
func ParseClientFrame(payload []byte, inJSON bool) (*musterv1.ClientFrame, error) {
	f := &musterv1.ClientFrame{}
	var err error
	if inJSON {
		err = protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 16}.Unmarshal(payload, f)
	} else {
		err = proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 16}.Unmarshal(payload, f)
	}
	if err != nil {
		return nil, &muster.Error{
			Code: muster.CodeInvalidArgument, Reason: "bad_frame",
			Message: "this is not a ClientFrame of muster.v1", Cause: err,
		}
	}
	return f, Check(f)
}

// FramesJSON turns encoded ServerFrames into their form in JSON: one ServerFrame
// per line, without a newline at the end.
func FramesJSON(encoded []byte) ([]byte, error) {
	var frames musterv1.ServerFrames
	if err := proto.Unmarshal(encoded, &frames); err != nil {
		return nil, err
	}
	var out []byte
	for i, f := range frames.GetFrames() {
		if i > 0 {
			out = append(out, '\n')
		}
		var err error
		if out, err = (protojson.MarshalOptions{}).MarshalAppend(out, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EncodeClientFrame encodes a client's frame.
func EncodeClientFrame(f *musterv1.ClientFrame, inJSON bool) ([]byte, error) {
	if inJSON {
		return protojson.Marshal(f)
	}
	return proto.Marshal(f)
}

// ParseServerFrames decodes one message from the server.
func ParseServerFrames(payload []byte, inJSON bool) ([]*musterv1.ServerFrame, error) {
	if !inJSON {
		var frames musterv1.ServerFrames
		err := proto.Unmarshal(payload, &frames)
		return frames.GetFrames(), err
	}
	var frames []*musterv1.ServerFrame
	for line := range bytes.SplitSeq(payload, []byte("\n")) {
		f := &musterv1.ServerFrame{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line, f); err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}
