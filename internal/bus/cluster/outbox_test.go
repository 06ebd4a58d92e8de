package cluster

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// TestInterestChangesWhileItIsSettled has the last subscriber leave, and the
// first one come, just while the courier talks to the server.
func TestInterestChangesWhileItIsSettled(t *testing.T) {
	const subject = "muster.pub.channel.1"
	o := newOutbox()
	settle := func(meanwhile func()) (listened int) {
		t.Helper()
		_, changed := o.take(nil)
		for _, i := range changed {
			err := o.settle(i, func(*interest) (*nats.Subscription, error) {
				listened++
				meanwhile()
				return &nats.Subscription{}, nil
			})
			if err != nil && listened > 0 {
				t.Fatal(err)
			}
		}
		return listened
	}
	leave := func() { o.change(subject, false, -1) }
	come := func() { o.change(subject, false, 1) }

	come()
	if n := settle(leave); n != 1 {
		t.Fatalf("listened %d times", n)
	}
	if settle(nil); len(o.interests) != 0 {
		t.Errorf("nobody is left, and still %d interests are in force", len(o.interests))
	}

	come()
	if n := settle(func() { leave(); come() }); n != 1 {
		t.Errorf("listened %d times", n)
	}
	if n := settle(nil); n != 0 || len(o.interests) != 1 {
		t.Errorf("one who left and one who came: listened %d times more, %d interests", n, len(o.interests))
	}

	// In and out between two rounds of the courier: the server hears nothing.
	o = newOutbox()
	come()
	leave()
	if n := settle(nil); n != 0 || len(o.interests) != 0 {
		t.Errorf("in and out: listened %d times, %d interests", n, len(o.interests))
	}
}
