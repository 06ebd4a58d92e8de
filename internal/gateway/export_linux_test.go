package gateway

import "golang.org/x/sys/unix"

// DeferNothing has the kernel hand over connections that have brought nothing.
func (f *Front) DeferNothing() error {
	return unix.SetsockoptInt(f.listener, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0)
}

// Silent is how many connections have brought nothing.
func (f *Front) Silent() int64 { return f.quiet.Load() }
