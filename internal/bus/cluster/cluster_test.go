package cluster_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"muster/internal/bus/bustest"
	"muster/internal/bus/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node starts a node that logs to the test.
func node(tb testing.TB, o cluster.Options) (bustest.Node, *cluster.Bus) {
	tb.Helper()
	o.Logger = slog.New(slog.NewTextHandler(tb.Output(), nil)).With("node", o.Node)
	b, err := cluster.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return bustest.Start(tb, b), b
}

// one starts a node with an embedded server and no routes.
func one(tb testing.TB) []bustest.Node {
	n, _ := node(tb, cluster.Options{Node: "only"})
	return []bustest.Node{n}
}

// two starts two nodes with a route on the loopback.
func two(tb testing.TB) []bustest.Node {
	a, first := node(tb, cluster.Options{Node: "a", Routes: cluster.Routes{Listen: "127.0.0.1:0"}})
	b, second := node(tb, cluster.Options{Node: "b", Routes: cluster.Routes{
		Listen: "127.0.0.1:0", Peers: []string{first.RouteAddr().String()},
	}})
	joined(tb, first, second)
	return []bustest.Node{a, b}
}

// joined waits until each node has a route to all others.
func joined(tb testing.TB, nodes ...*cluster.Bus) {
	tb.Helper()
	bustest.Eventually(tb, "the nodes have routes to each other", func() bool {
		for _, n := range nodes {
			if n.Peers() != len(nodes)-1 {
				return false
			}
		}
		return true
	})
}

func TestContractOneNode(t *testing.T)  { bustest.Run(t, one) }
func TestContractTwoNodes(t *testing.T) { bustest.Run(t, two) }
