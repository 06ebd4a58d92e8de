package store

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"muster"
	storev1 "muster/gen/muster/store/v1"
	"muster/internal/group"
)

// drawDraft draws any draft that checkDraft lets through.
func drawDraft(rt *rapid.T) group.Draft {
	return group.Draft{
		Group: muster.GroupID(rapid.Int64().Draw(rt, "group")), Sender: muster.AccountID(rapid.Int64().Draw(rt, "sender")),
		Nickname: rapid.StringN(0, 20, -1).Draw(rt, "nickname"), ClientID: string(rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(rt, "id")),
		Kind: group.MessageKind(rapid.Uint8Range(1, 254).Draw(rt, "kind")), Text: rapid.String().Draw(rt, "text"),
		ReplyTo: muster.Seq(rapid.Int64().Draw(rt, "reply")), Subgroup: muster.SubgroupID(rapid.Int64().Draw(rt, "subgroup")),
		Count: rapid.Int64().Draw(rt, "count"),
	}
}

// TestBodyIsProtobuf holds the hand-written encoding to muster.store.v1.Body.
func TestBodyIsProtobuf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDraft(rt)
		body := storev1.Body{
			Kind: uint32(d.Kind), Text: d.Text, ReplyTo: int64(d.ReplyTo), SubgroupId: int64(d.Subgroup), Count: d.Count, Nickname: d.Nickname,
		}
		theirs, err := proto.Marshal(&body)
		if err != nil {
			rt.Fatal(err)
		}
		var back storev1.Body
		if err := proto.Unmarshal(appendBody(nil, &d), &back); err != nil || !proto.Equal(&back, &body) {
			rt.Fatalf("%+v is read as %v, %v", d, &back, err)
		}
		// A field that a newer program adds.
		theirs = append(theirs, 0x9a, 0x06, 2, 'h', 'i', 0xa5, 0x06, 1, 2, 3, 4)
		got := group.Draft{Group: d.Group, Sender: d.Sender, ClientID: d.ClientID}
		if err := decodeBody(string(theirs), &got); err != nil || got != d {
			rt.Fatalf("%v is read as %+v, %v", &body, got, err)
		}
	})
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := drawDraft(rt)
		seq, millis := muster.Seq(rapid.Int64().Draw(rt, "seq")), rapid.Int64().Draw(rt, "millis")
		rec := newRecord(&d)
		stampRecord(rec, seq, millis)
		got, gotSeq, gotMillis, err := parseRecord(rec)
		if err != nil || got != d || gotSeq != seq || gotMillis != millis {
			rt.Fatalf("%+v %d %d is read as %+v %d %d, %v", d, seq, millis, got, gotSeq, gotMillis, err)
		}
		if string(recordClientID(rec)) != d.ClientID {
			rt.Fatalf("the client id is %q, not %q", recordClientID(rec), d.ClientID)
		}
	})
}

func TestRecordOfANewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	d := textDraft(1, 1, "id", "text")
	good := newRecord(&d)
	for name, rec := range map[string][]byte{
		"newer": append([]byte{2}, good[1:]...), "empty": {}, "short": good[:recordIDAt], "cut in the client id": good[:recordIDAt+2],
	} {
		if _, _, _, err := parseRecord(rec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	damaged := append(slices.Clone(good), 0xff)
	got, _, _, err := parseRecord(damaged)
	if want := (group.Draft{Group: 1, Sender: 1, ClientID: "id", Kind: group.KindTombstone}); err != nil || got != want {
		t.Errorf("a damaged body is read as %+v, %v", got, err)
	}
}

// FuzzDecodeBody: whatever the generated code takes, ours takes with the same
// result, but for the two kinds that are never written; and nothing panics.
func FuzzDecodeBody(f *testing.F) {
	d := textDraft(1, 1, "id", "text 文")
	f.Add(string(appendBody(nil, &d)))
	f.Add("\x08\x01\x12\x02hi\x1b\x1c")
	f.Add("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, body string) {
		var got group.Draft
		err := decodeBody(body, &got)
		var want storev1.Body
		if proto.Unmarshal([]byte(body), &want) != nil || want.Kind == 0 || want.Kind >= 255 {
			return // ours may be laxer about what it skips
		}
		if err != nil {
			t.Fatalf("%q is refused, and is %v", body, &want)
		}
		if want.Text != got.Text || want.Nickname != got.Nickname || want.Kind != uint32(got.Kind) || want.Count != got.Count ||
			want.ReplyTo != int64(got.ReplyTo) || want.SubgroupId != int64(got.Subgroup) {
			t.Fatalf("%q is %+v, not %v", body, got, &want)
		}
	})
}

func BenchmarkBody(b *testing.B) {
	d := textDraft(1, 1, "id", strings.Repeat("0123456789abcdef", 16))
	body := string(appendBody(nil, &d))
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got group.Draft
			if err := decodeBody(body, &got); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var got storev1.Body
			if err := proto.Unmarshal([]byte(body), &got); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestWaitMeter(t *testing.T) {
	t.Parallel()
	var w waitMeter
	if got := w.p99(); got != 0 {
		t.Errorf("without any wait it is %v", got)
	}
	now := time.Now()
	for i := range 1000 {
		w.add(time.Duration(i+1)*10*time.Microsecond, now)
	}
	if got := w.p99(); got < 9900*time.Microsecond || got > 12*time.Millisecond {
		t.Errorf("of 10 us to 10 ms it is %v", got)
	}
	var old waitMeter
	old.add(time.Hour, now.Add(-3*time.Second))
	if got := old.p99(); got != 0 {
		t.Errorf("3 seconds later it still is %v", got)
	}
	old.add(-time.Second, now)
	if got := old.p99(); got <= 0 || got > 3*time.Microsecond {
		t.Errorf("of a wait below 0 it is %v", got)
	}
	for range 1000 {
		wait := time.Duration(rand.Int64N(int64(time.Hour)))
		if top := waitBucketTop(waitBucket(wait)); top < wait || top > wait*5/4+2*time.Microsecond {
			t.Errorf("%v is reported as %v", wait, top)
		}
	}
}

func TestSendQueueBounds(t *testing.T) {
	t.Parallel()
	q := newSendQueue()
	for i := range queueMessages {
		if err := q.put(&pending{size: 1}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if err := q.put(&pending{size: 1}); muster.CodeOf(orNone(err)) != muster.CodeResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	total := 0
	for batch := q.take(nil); len(batch) > 0; batch = q.take(batch) {
		if len(batch) > batchMessages {
			t.Errorf("a batch of %d", len(batch))
		}
		total += len(batch)
	}
	if total != queueMessages || q.bytes != 0 {
		t.Errorf("%d came out of %d, %d bytes are left", total, queueMessages, q.bytes)
	}
	for _, size := range []int64{batchBytes - 1, 2, batchBytes + 5, 1} {
		if err := q.put(&pending{size: size}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{1, 1, 1, 1} {
		if got := len(q.take(nil)); got != want {
			t.Errorf("batch %d has %d messages, not %d", i, got, want)
		}
	}
	stopped := errors.New("stopped")
	q.close(stopped)
	if err := q.put(&pending{}); !errors.Is(err, stopped) {
		t.Errorf("after the end: %v", err)
	}
}

// TestSendersAreSlowedDown: between calm and full the writer is as fast as the
// applier half way, faster below and slower above, and never waits for long at once.
func TestSendersAreSlowedDown(t *testing.T) {
	t.Parallel()
	l := &sqliteLog{lastBatch: 1000}
	if got := l.pause(tailBytes-1, 0); got != 0 {
		t.Errorf("without a known rate it pauses for %v", got)
	}
	l.noteRate(50_000, time.Second)
	for _, c := range []struct {
		part  float64 // from calm to full
		since time.Duration
		want  time.Duration
	}{
		{0, 0, 10 * time.Millisecond}, // 1,000 messages at twice 50,000 a second
		{0.5, 0, 20 * time.Millisecond},
		{0.5, 15 * time.Millisecond, 5 * time.Millisecond},
		{0.75, 0, 40 * time.Millisecond},
		{0.999, 0, 100 * time.Millisecond},
	} {
		got := l.pause(tailCalm+int64(c.part*(tailBytes-tailCalm)), c.since)
		if got.Round(time.Millisecond) != c.want {
			t.Errorf("%v full, %v after the last: the pause is %v, not %v", c.part, c.since, got, c.want)
		}
	}
}
