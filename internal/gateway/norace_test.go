//go:build !race

package gateway_test

// raceEnabled: memory is as it is in production.
const raceEnabled = false
