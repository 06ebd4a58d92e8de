package wire

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"muster"
	musterv1 "muster/gen/muster/v1"
)

// requests lists every message that a client sends: the inputs of all calls,
// and the frames of the live socket.
func requests() []protoreflect.MessageDescriptor {
	list := []protoreflect.MessageDescriptor{(&musterv1.ClientFrame{}).ProtoReflect().Descriptor()}
	for _, file := range []protoreflect.FileDescriptor{
		musterv1.File_muster_v1_account_proto, musterv1.File_muster_v1_admin_proto,
		musterv1.File_muster_v1_channel_proto, musterv1.File_muster_v1_enrolment_proto,
		musterv1.File_muster_v1_group_proto, musterv1.File_muster_v1_live_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				list = append(list, methods.Get(j).Input())
			}
		}
	}
	return list
}

// TestEveryFieldHasLimit fails on a text, bytes or list that a client can send
// without a bound.
func TestEveryFieldHasLimit(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	fields := 0
	var walk func(d protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		if seen[d.FullName()] {
			return
		}
		seen[d.FullName()] = true
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			limit := limitOf(f)
			if sized(f) {
				fields++
				if limit.GetMaxLen() == 0 {
					t.Errorf("%s has no (limit) with max_len", f.FullName())
				}
			}
			if f.IsList() {
				fields++
				if limit.GetMaxItems() == 0 {
					t.Errorf("%s has no (limit) with max_items", f.FullName())
				}
			}
			if f.IsMap() {
				t.Errorf("%s is a map, which Check does not look into", f.FullName())
			}
			if f.Message() != nil {
				walk(f.Message())
			}
		}
	}
	all := requests()
	for _, d := range all {
		walk(d)
	}
	if len(all) < 50 || fields < 60 {
		t.Fatalf("only %d requests and %d fields were found: the walk went wrong", len(all), fields)
	}
}

func TestCheck(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name  string
		msg   proto.Message
		field string // "": it is fine
	}{
		{"empty", &musterv1.SendRequest{}, ""},
		{"at the limit", &musterv1.SendRequest{ClientMessageId: long(64)}, ""},
		{"above it", &musterv1.SendRequest{ClientMessageId: long(65)}, "client_message_id"},
		{"bytes count, not characters", &musterv1.SendRequest{ClientMessageId: strings.Repeat("语", 22)}, "client_message_id"},
		{"not UTF-8", &musterv1.SendRequest{Text: "a\xffb"}, "text"},
		{"in a frame", &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Hello{Hello: &musterv1.Hello{Token: long(257)}}}, "token"},
		{"optional", &musterv1.UpdateGroupRequest{Name: proto.String(long(401))}, "name"},
		{"items", &musterv1.InviteRequest{AccountIds: make([]int64, 1001)}, "account_ids"},
		{"items at the limit", &musterv1.InviteRequest{AccountIds: make([]int64, 1000)}, ""},
		{"inside an item", &musterv1.ImportRosterRequest{Lines: []*musterv1.ImportLine{{}, {Account: long(257)}}}, "account"},
		{"inside a nested frame", &musterv1.ClientFrame{Body: &musterv1.ClientFrame_Sync{Sync: &musterv1.SyncRequest{
			Positions: make([]*musterv1.SyncPosition, 10001),
		}}}, "positions"},
	} {
		err := Check(test.msg)
		if test.field == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		e, ok := errors.AsType[*muster.Error](err)
		if !ok || e.Code != muster.CodeInvalidArgument || e.Field != test.field {
			t.Errorf("%s: got %v, want invalid_argument of %s", test.name, err, test.field)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	f := &musterv1.ClientFrame{Id: 7, Body: &musterv1.ClientFrame_Send{Send: &musterv1.SendRequest{
		GroupId: 1, ClientMessageId: "0192f0c1-2b3c-7def-8123-456789abcdef", Text: strings.Repeat("x", 256),
	}}}
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(f); err != nil {
			b.Fatal(err)
		}
	}
}
