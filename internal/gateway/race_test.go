//go:build race

package gateway_test

// raceEnabled: memory is several times what it is otherwise.
const raceEnabled = true
