package api_test

import (
	"fmt"
	"runtime"
	"testing"

	"connectrpc.com/connect"

	v1 "muster/gen/muster/v1"

	"muster/internal/account"
)

// BenchmarkCall is one call after another on one connection, from the generated
// client through the real server: what the API adds to the domain.
func BenchmarkCall(b *testing.B) {
	n := startNode(b, nodeOptions{noWorkers: true})
	for name, options := range map[string][]connect.ClientOption{"protobuf": nil, "json": {connect.WithProtoJSON()}} {
		c := n.with(n.person(fresh("anna"), account.ServerUser).token, options...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.accounts.GetAccount(b.Context(), connect.NewRequest(&v1.GetAccountRequest{})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkImport streams a roster of people who have accounts, in messages of
// 5,000 lines; it tells lines per second and the heap at its largest.
func BenchmarkImport(b *testing.B) {
	n := startNode(b, nodeOptions{noWorkers: true})
	root := n.person("root", account.ServerAdmin)
	const people, each = 200_000, 5_000
	run := func(room int64, create bool) (peak uint64) {
		stream := root.channels.ImportRoster(b.Context())
		for from := 0; from < people; from += each {
			m := &v1.ImportRosterRequest{ChannelId: room, CreateAccounts: create}
			for i := range each {
				line := from + i + 1
				m.Lines = append(m.Lines, &v1.ImportLine{Line: int64(line), Account: fmt.Sprintf("p%d", line), Level: v1.Level_LEVEL_MEMBER})
			}
			if err := stream.Send(m); err != nil {
				b.Fatal(err)
			}
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			peak = max(peak, mem.HeapInuse)
		}
		if res, err := stream.CloseAndReceive(); err != nil || res.Msg.GetAdded() != people {
			b.Fatal(res, err)
		}
		return peak
	}
	room, _ := n.places(root)
	run(room, true)
	var peak uint64
	for b.Loop() {
		room, _ := n.places(root)
		peak = max(peak, run(room, false))
	}
	b.ReportMetric(float64(people)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(peak)/(1<<20), "peak-heap-MiB")
}
