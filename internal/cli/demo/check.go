package demo

import (
	"fmt"
	"sync"

	"muster/internal/cli/term"
)

// checks compares what came out with what ought to.
type checks struct {
	mu          sync.Mutex
	made        int
	differences []string
}

// equal compares one number.
func (c *checks) equal(what string, got, want int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	if got != want {
		c.differences = append(c.differences, fmt.Sprintf("%s: %s, expected %s", what, term.Number(got), term.Number(want)))
	}
}

// holds records whether something holds.
func (c *checks) holds(what string, holds bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	if !holds {
		c.differences = append(c.differences, what)
	}
}

// result gives how many were made and what was wrong.
func (c *checks) result() (made int, differences []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made, c.differences
}
