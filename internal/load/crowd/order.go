//go:build linux

package crowd

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"muster/internal/load/socket"
)

// Order is what a Crowd is told to do. A crowd does one order after another.
type Order struct {
	// Op is one of the orders below.
	Op string `json:"op"`
	// TimeoutMS bounds what takes time.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`

	// Connect: clients From to From+Count of the file of tokens, Rate a second (0:
	// as fast as goes) with AtOnce handshakes under way, to Targets in turn. Raw
	// ones do no handshake: they read what the floor writes.
	Targets []string `json:"targets,omitempty"`
	Tokens  string   `json:"tokens,omitempty"`
	From    int      `json:"from,omitempty"`
	Count   int      `json:"count,omitempty"`
	Rate    float64  `json:"rate,omitempty"`
	AtOnce  int      `json:"at_once,omitempty"`
	Raw     bool     `json:"raw,omitempty"`
	// Enter is the channel that they enter; 0: none.
	Enter int64 `json:"enter,omitempty"`
	// Group is the group whose messages they follow; with SyncTo they fetch what
	// comes after SyncFrom before they count as back. Heads are then the heads of
	// all their groups.
	Group    int64 `json:"group,omitempty"`
	SyncFrom int64 `json:"sync_from,omitempty"`
	SyncTo   int64 `json:"sync_to,omitempty"`

	// Begin: a new run of messages. Watch is a group of which every client should
	// be told that it is a member now.
	Run   uint16 `json:"run,omitempty"`
	Watch int64  `json:"watch,omitempty"`
	// Finish: of so many messages, or with Heads up to these places in groups.
	Total uint32          `json:"total,omitempty"`
	Heads map[int64]int64 `json:"heads,omitempty"`

	// Ready and Send: the clients' groups in turn, UnderWay messages of each client (Rate:
	// so many a second of all of them instead), for a time, with Text bytes.
	Groups     []int64 `json:"groups,omitempty"`
	UnderWay   int     `json:"under_way,omitempty"`
	DurationMS int64   `json:"duration_ms,omitempty"`
	Text       int     `json:"text,omitempty"`
	// Base is the number of the crowd's first sender.
	Base uint32 `json:"base,omitempty"`
}

// The orders.
const (
	// OpConnect makes clients; the answer comes when they are in.
	OpConnect = "connect"
	// OpReturn connects those again who are cut off.
	OpReturn = "return"
	// OpCut ends all connections at once, without a goodbye.
	OpCut = "cut"
	// OpDrop forgets all clients.
	OpDrop = "drop"
	// OpBegin begins a run, OpFinish ends it and tells what is missing.
	OpBegin, OpFinish = "begin", "finish"
	// OpPause lets the last Count clients stop reading; OpResume lets them go on.
	OpPause, OpResume = "pause", "resume"
	// OpReady forgets what was got before; OpSend, which names the same, sends.
	// Every crowd is made ready before one of them sends.
	OpReady, OpSend = "ready", "send"
	// OpAdded waits until every client was told that it is in the group to watch.
	OpAdded = "added"
)

// Reply is what came of an order.
type Reply struct {
	Err string `json:"err,omitempty"`
	// In is how many clients are in; Refused how often the server told one to
	// come later, Failed how often a connection broke before it was in.
	In      int    `json:"in,omitempty"`
	Refused int    `json:"refused,omitempty"`
	Failed  int    `json:"failed,omitempty"`
	First   string `json:"first,omitempty"`
	// Began and Ended are on the machine's monotonic clock.
	Began int64 `json:"began,omitempty"`
	Ended int64 `json:"ended,omitempty"`
	// Admitted counts who came in, in tenths of a second since the order.
	Admitted []int `json:"admitted,omitempty"`
	// Latency is of handshakes, of deliveries or of acknowledgements, encoded;
	// Later of how long clients took until they had everything.
	Latency []byte `json:"latency,omitempty"`
	Later   []byte `json:"later,omitempty"`
	// Got is how many messages were received, Acks how many acknowledged, Trips
	// how many answers to sync.
	Got    int64 `json:"got,omitempty"`
	Acks   int64 `json:"acks,omitempty"`
	Trips  int64 `json:"trips,omitempty"`
	Faults Faults
	// Heads are the greatest places in groups that were acknowledged.
	Heads map[int64]int64 `json:"heads,omitempty"`
}

// Encoded gives a histogram for a Reply.
func Encoded(h *hdrhistogram.Histogram) []byte {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil
	}
	return b
}

// Decoded reads a histogram of a Reply; nil: an empty one.
func Decoded(b []byte) *hdrhistogram.Histogram {
	if len(b) == 0 {
		return NewHistogram()
	}
	h, err := hdrhistogram.Decode(b)
	if err != nil {
		return NewHistogram()
	}
	return h
}

// note keeps the first error of connections.
func (r *Reply) note(err error) {
	if r.First == "" && err != nil {
		r.First = err.Error()
	}
}

// event is what a client looks at; it is one for all of a crowd.
type event = socket.Event
