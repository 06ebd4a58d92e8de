//go:build !unix

package engine

import "net"

// rawReader is not used here: every connection keeps a reading buffer.
type rawReader struct{}

func newRawReader(net.Conn) *rawReader { return nil }

func (*rawReader) wait(*source) error { panic("engine: no raw reading here") }
