// Package app is the composition root: it puts the domain services, the store,
// the bus, the gateway and the API together into a server, which the command
// line and the tests start alike.
package app
