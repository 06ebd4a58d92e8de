//go:build !linux

package engine_test

// child is another task of the test binary; false: it has none.
func child() (func(), bool) { return nil, false }
