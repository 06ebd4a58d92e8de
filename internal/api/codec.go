package api

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// jsonCodec is Connect's JSON with another mind about fields that the schema
// does not have: they are errors. People type JSON, and what they mistype must
// not be passed over; programs that may be newer than the server use protobuf.
// No body at all is an empty message.
type jsonCodec struct{ name string }

// maxDepth is how deep JSON may be nested; the schema needs four levels.
const maxDepth = 16

// Name implements connect.Codec.
func (c jsonCodec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (jsonCodec) Marshal(message any) ([]byte, error) {
	m, err := protoMessage(message)
	if err != nil {
		return nil, err
	}
	return protojson.Marshal(m)
}

// Unmarshal implements connect.Codec.
func (jsonCodec) Unmarshal(data []byte, message any) error {
	m, err := protoMessage(message)
	if err != nil || len(data) == 0 {
		return err
	}
	if err := (protojson.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(data, m); err != nil {
		// protojson begins its errors with "proto:" and a space of one of two
		// kinds, so that nobody compares them.
		what := strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
		return fmt.Errorf("this is no %s: %s", m.ProtoReflect().Descriptor().Name(), what)
	}
	return nil
}

func protoMessage(message any) (proto.Message, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no message of protobuf", message)
	}
	return m, nil
}

// boundedGzip reads gzip that becomes at most a number of bytes. Connect bounds
// what it keeps, but unpacks the rest to the end, which for a bomb is a thousand
// times what was sent.
func boundedGzip(most int64) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &boundedReader{most: most} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}

// boundedReader is a gzip.Reader with an end.
type boundedReader struct {
	gzip       gzip.Reader
	most, left int64
}

// errBomb is what unpacks to more than a message may have.
var errBomb = errors.New("the message unpacks to more than is allowed")

// Read implements io.Reader. One byte above the bound is let through, by which
// Connect sees that the message is too large.
func (r *boundedReader) Read(p []byte) (int, error) {
	if r.left < 0 {
		return 0, errBomb
	}
	p = p[:min(int64(len(p)), r.left+1)]
	n, err := r.gzip.Read(p)
	r.left -= int64(n)
	return n, err
}

// Close implements connect.Decompressor.
func (r *boundedReader) Close() error { return r.gzip.Close() }

// Reset implements connect.Decompressor.
func (r *boundedReader) Reset(from io.Reader) error {
	r.left = r.most
	return r.gzip.Reset(from)
}
