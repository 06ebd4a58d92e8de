package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	v1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/account"
	"muster/internal/api"
	"muster/internal/config"
)

// TestErrors holds what a refused call tells a program: the code, and in the
// detail why, where, and when to come again.
func TestErrors(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true, config: func(c *config.Config) { c.Enrolment.PerGroup = 1 }})
	c := n.person("anna", account.ServerUser)
	room, group := n.places(c)

	_, err := c.groups.CreateGroup(t.Context(), connect.NewRequest(&v1.CreateGroupRequest{Name: " \t "}))
	if e := detail(err); connect.CodeOf(err) != connect.CodeInvalidArgument || e.GetField() != "name" || e.GetReason() != "invalid_name" || e.GetCode() != "invalid_argument" {
		t.Errorf("a blank name: %v, %v", err, e)
	}

	start := &v1.StartEnrolmentRequest{GroupId: group, ChannelId: room, Policies: askGuests}
	first, err := c.enrolments.StartEnrolment(t.Context(), connect.NewRequest(start))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.enrolments.CancelEnrolment(t.Context(), connect.NewRequest(&v1.CancelEnrolmentRequest{EnrolmentId: first.Msg.GetEnrolment().GetId()})); err != nil {
		t.Fatal(err)
	}
	_, err = c.enrolments.StartEnrolment(t.Context(), connect.NewRequest(start))
	e, wrapped := detail(err), new(connect.Error)
	if !errors.As(err, &wrapped) || wrapped.Code() != connect.CodeResourceExhausted || e.GetReason() != "enrolment_window_full" || e.GetRetryAfterMs() <= 0 {
		t.Fatalf("a full window: %v, %v", err, e)
	}
	if got, want := wrapped.Meta().Get("Retry-After"), fmt.Sprint((e.GetRetryAfterMs()+999)/1000); got != want {
		t.Errorf("Retry-After is %q, the detail says %q", got, want)
	}

	res, body := n.post(n.anonymous(), "/muster.v1.GroupService/Send", "application/json", `{"groupId":"1"}`)
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Www-Authenticate") != "Bearer" || !strings.Contains(body, `"no_session"`) {
		t.Errorf("no session: %s %s", res.Status, body)
	}
}

// TestCurl makes calls as the documentation shows them.
func TestCurl(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	c := n.person("anna", account.ServerUser)
	_, group := n.places(c)
	for _, test := range []struct {
		name, path, kind, body string
		status                 int
		holds                  string
	}{
		{"send", "GroupService/Send", "application/json", fmt.Sprintf(`{"groupId":"%d","clientMessageId":"m1","text":"你好"}`, group), 200, `"seq":"1"`},
		{"ids may be numbers", "GroupService/Send", "application/json; charset=utf-8", fmt.Sprintf(`{"group_id":%d,"client_message_id":"m1","text":"again"}`, group), 200, `"seq":"1"`},
		{"no body", "GroupService/ListMyGroups", "application/json", ``, 200, `"groups"`},
		{"unknown field", "GroupService/Send", "application/json", `{"groupID":"1","txet":"x"}`, 400, `this is no SendRequest`},
		{"unknown field is named", "GroupService/Send", "application/json", `{"txet":"x"}`, 400, `unknown field \"txet\"`},
		{"no JSON", "GroupService/Send", "application/json", `groupId=1`, 400, `"code":"invalid_argument"`},
		{"deep JSON", "GroupService/Sync", "application/json", strings.Repeat(`{"positions":[`, 30), 400, `"code":"invalid_argument"`},
		{"no protobuf", "GroupService/Send", "application/proto", "\xff\xff\xff", 400, `"code":"invalid_argument"`},
		{"a form", "GroupService/Send", "application/x-www-form-urlencoded", `{}`, 415, `application/json`},
		{"no call", "GroupService/Shout", "application/json", `{}`, 404, `"code":"unimplemented"`},
		{"no service", "FooService/Bar", "application/json", `{}`, 404, `"code":"unimplemented"`},
	} {
		res, body := n.post(c, "/muster.v1."+test.path, test.kind, test.body)
		if res.StatusCode != test.status || !strings.Contains(strings.ReplaceAll(body, `": "`, `":"`), test.holds) {
			t.Errorf("%s: %s %s, want %d with %s", test.name, res.Status, body, test.status, test.holds)
		}
		if got := res.Header.Get("Content-Type"); got != "application/json" && got != "application/json; charset=utf-8" {
			t.Errorf("%s: answers with %s", test.name, got)
		}
	}
	if res, body := n.do(c, http.MethodGet, "/muster.v1.GroupService/Send", nil); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s %s", res.Status, body)
	}
	if res, body := n.do(c, http.MethodGet, "/nowhere", nil, "Accept", "text/html"); res.StatusCode != http.StatusNotFound || body != "there is nothing at /nowhere\n" {
		t.Errorf("no path: %s %q", res.Status, body)
	}
	if res, body := n.do(c, http.MethodGet, "/nowhere", nil, "Accept", "application/json"); res.StatusCode != http.StatusNotFound || !json.Valid([]byte(body)) {
		t.Errorf("no path, in JSON: %s %q", res.Status, body)
	}
}

// TestProtocols makes the same calls in every protocol that Connect speaks.
func TestProtocols(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	person := n.person("anna", account.ServerUser)
	h2c := func() *http.Transport {
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		return &http.Transport{Protocols: &p}
	}
	for _, test := range []struct {
		name   string
		client *caller
	}{
		{"connect, protobuf", n.with(person.token)},
		{"connect, JSON", n.with(person.token, connect.WithProtoJSON())},
		{"connect, gzip", n.with(person.token, connect.WithSendGzip())},
		{"connect, HTTP/2 without TLS", n.caller(n.url, person.token, h2c())},
		{"gRPC", n.caller(n.url, person.token, h2c(), connect.WithGRPC())},
		{"gRPC-Web", n.with(person.token, connect.WithGRPCWeb())},
	} {
		res, err := test.client.accounts.GetAccount(t.Context(), connect.NewRequest(&v1.GetAccountRequest{}))
		if err != nil || res.Msg.GetAccount().GetName() != "anna" {
			t.Errorf("%s: %v, %v", test.name, res, err)
		}
		if res != nil && res.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: the answer has no id", test.name)
		}
		_, err = test.client.groups.GetGroup(t.Context(), connect.NewRequest(&v1.GetGroupRequest{GroupId: 1}))
		if connect.CodeOf(err) != connect.CodeNotFound || detail(err).GetReason() != "group_not_found" {
			t.Errorf("%s: an error arrives as %v, %v", test.name, err, detail(err))
		}
		none := test.client
		none.http.Transport = none.http.Transport.(bearer).RoundTripper
		_, err = none.accounts.GetAccount(t.Context(), connect.NewRequest(&v1.GetAccountRequest{}))
		if connect.CodeOf(err) != connect.CodeUnauthenticated || detail(err).GetReason() != "no_session" {
			t.Errorf("%s: the gate's error arrives as %v, %v", test.name, err, detail(err))
		}
	}
}

// TestInternal holds back what went wrong inside, and leaves it in the log.
func TestInternal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		backup api.Backup
	}{
		{"error", backupFunc(func() error { return errors.New("secret sda1 is on fire") })},
		{"coded error", backupFunc(func() error { return &muster.Error{Message: "secret", Cause: errors.New("secret sda1")} })},
		{"panic", backupFunc(func() error { panic("secret sda1") })},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := startNode(t, nodeOptions{api: func(o *api.Options) { o.Backup = test.backup }})
			err := backup(t.Context(), n.operator(), nil)
			if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "secret") || strings.Contains(detail(err).String(), "secret") {
				t.Fatalf("%v, %v", err, detail(err))
			}
			words := strings.Fields(detail(err).GetMessage())
			id := words[len(words)-1]
			n.log.wait(t, "secret sda1", "request="+id)
		})
	}
}

// backupFunc is a backup that comes to this.
type backupFunc func() error

func (f backupFunc) Backup(context.Context, io.Writer) error { return f() }

// TestLimits exceeds every limit of the schema, one at a time.
func TestLimits(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	root := n.person("root", account.ServerAdmin)
	tried := 0
	for _, service := range api.Services() {
		for i := range service.Methods().Len() {
			m := service.Methods().Get(i)
			for path, request := range overLimits(m.Input()) {
				tried++
				c := root
				if m.Name() == "IssueSession" {
					c = n.operator()
				}
				got := n.raw(c, m, request)
				field := path[strings.LastIndexByte(path, '.')+1:]
				if got.Code != "invalid_argument" || !strings.HasPrefix(got.Message, field+": ") {
					t.Errorf("%s with too much in %s: %s, %q", m.FullName(), path, got.Code, got.Message)
				}
			}
		}
	}
	if tried < 60 {
		t.Fatalf("only %d limits were found", tried)
	}
}

// overLimits makes a request for every limit in a message, that exceeds it and
// no other.
func overLimits(d protoreflect.MessageDescriptor) map[string]protoreflect.Message {
	all := map[string]protoreflect.Message{}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		limit, ok := proto.GetExtension(f.Options(), v1.E_Limit).(*v1.Limit)
		if ok && limit.GetMaxLen() > 0 {
			m := dynamicpb.NewMessage(d)
			m.Set(f, protoreflect.ValueOfString(strings.Repeat("x", int(limit.GetMaxLen())+1)))
			all[string(f.Name())] = m
		}
		if ok && limit.GetMaxItems() > 0 {
			m := dynamicpb.NewMessage(d)
			list := m.Mutable(f).List()
			for range limit.GetMaxItems() + 1 {
				list.Append(list.NewElement())
			}
			all[string(f.Name())] = m
		}
		if f.Message() == nil {
			continue
		}
		for path, inner := range overLimits(f.Message()) {
			m := dynamicpb.NewMessage(d)
			if f.IsList() {
				m.Mutable(f).List().Append(protoreflect.ValueOfMessage(inner))
			} else {
				m.Set(f, protoreflect.ValueOfMessage(inner))
			}
			all[string(f.Name())+"."+path] = m
		}
	}
	return all
}

// told is an error as Connect writes it in JSON.
type told struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// raw makes a call without a generated client, and gives its error.
func (n *node) raw(c *caller, m protoreflect.MethodDescriptor, request protoreflect.Message) told {
	n.t.Helper()
	body, err := proto.Marshal(request.Interface())
	if err != nil {
		n.t.Fatal(err)
	}
	kind, stream := "application/proto", m.IsStreamingClient() || m.IsStreamingServer()
	if stream {
		kind = "application/connect+proto"
		body = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	}
	base := n.url
	if c.token == "" {
		base = "http://admin"
	}
	req, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, fmt.Sprintf("%s/%s/%s", base, m.Parent().FullName(), m.Name()), bytes.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	res, err := c.http.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	var got struct {
		told
		Error told `json:"error"`
	}
	if stream && len(answer) > 5 {
		answer = answer[5:]
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return told{Message: fmt.Sprintf("%s: %.100q", res.Status, answer)}
	}
	if stream {
		return got.Error
	}
	return got.told
}

// TestBodies holds the size of requests: said, unsaid, and packed.
func TestBodies(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{api: func(o *api.Options) { o.MaxBody = 200_000 }})
	c := n.person("anna", account.ServerUser)
	long := `{"name":"` + strings.Repeat("x", 300_000) + `"}`
	const create, login = "/muster.v1.GroupService/CreateGroup", "/muster.v1.AccountService/Login"

	res, body := n.post(c, create, "application/json", long)
	if res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"code":"resource_exhausted"`) {
		t.Errorf("a length that is too large: %s %s", res.Status, body)
	}
	res, body = n.do(c, http.MethodPost, create, io.MultiReader(strings.NewReader(long)), "Content-Type", "application/json")
	if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, `"code":"resource_exhausted"`) || !res.Close {
		t.Errorf("a body without a length: %s %s", res.Status, body)
	}
	// Without a session, little is read.
	res, body = n.post(n.anonymous(), login, "application/json", `{"name":"`+strings.Repeat("x", 70_000)+`"}`)
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large login: %s %s", res.Status, body)
	}
	for path, who := range map[string]*caller{create: c, login: n.anonymous()} {
		res, body = n.post(who, path, "application/json", string(packed(t, 20<<20)), "Content-Encoding", "gzip")
		if !strings.Contains(body, `"code":"resource_exhausted"`) || !strings.Contains(body, "unpacks to more than is allowed") {
			t.Errorf("%s, a bomb: %s %s", path, res.Status, body)
		}
	}
	if res, body = n.post(c, create, "application/json", string(pack(t, []byte(`{"name":"small"}`))), "Content-Encoding", "gzip"); res.StatusCode != http.StatusOK {
		t.Errorf("a packed message: %s %s", res.Status, body)
	}
}

// packed is JSON of so many spaces, packed.
func packed(t *testing.T, size int) []byte { return pack(t, bytes.Repeat([]byte(" "), size)) }

func pack(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestImport streams a roster with good and bad lines, twice.
func TestImport(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	root := n.person("root", account.ServerAdmin)
	room, _ := n.places(root)
	const people, each = 12_000, 1_000
	run := func(create bool) *v1.ImportRosterResponse {
		stream := root.channels.ImportRoster(t.Context())
		for from := 0; from < people; from += each {
			m := &v1.ImportRosterRequest{}
			if from == 0 {
				m.ChannelId, m.CreateAccounts = room, create
			}
			for i := range each {
				line := int64(from + i + 1)
				l := &v1.ImportLine{Line: line, Account: fmt.Sprintf("p%d", line), Level: v1.Level_LEVEL_MEMBER}
				switch line {
				case 7:
					l.Account = "no such name!"
				case 3_000:
					l.Level = 99
				case 11_999:
					l.Nickname = "a\x00b"
				}
				m.Lines = append(m.Lines, l)
			}
			if err := stream.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		res, err := stream.CloseAndReceive()
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg
	}
	first, again := run(true), run(false)
	if first.GetAdded() != people-3 || first.GetAccountsCreated() != people-3 || first.GetBad() != 3 || first.GetUnchanged()+first.GetChanged() != 0 {
		t.Errorf("the first time: %v", first)
	}
	if again.GetUnchanged() != people-3 || again.GetBad() != 3 || again.GetAdded()+again.GetChanged()+again.GetAccountsCreated() != 0 {
		t.Errorf("the second time: %v", again)
	}
	for i, line := range []int64{7, 3_000, 11_999} {
		if i >= len(first.GetBadLines()) || first.GetBadLines()[i].GetLine() != line || first.GetBadLines()[i].GetProblem() == "" {
			t.Fatalf("bad lines: %v, want line %d", first.GetBadLines(), line)
		}
	}
	empty := root.channels.ImportRoster(t.Context())
	if _, err := empty.CloseAndReceive(); connect.CodeOf(err) != connect.CodeInvalidArgument || detail(err).GetField() != "channel_id" {
		t.Errorf("no message at all: %v", err)
	}
}

// TestWatch follows an enrolment to its end.
func TestWatch(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	c := n.person("anna", account.ServerUser)
	room, group := n.places(c)
	guest := n.person("gast", account.ServerUser)
	if _, err := guest.channels.JoinRoster(t.Context(), connect.NewRequest(&v1.JoinRosterRequest{ChannelId: room})); err != nil {
		t.Fatal(err)
	}
	preview, err := c.enrolments.PreviewEnrolment(t.Context(), connect.NewRequest(&v1.PreviewEnrolmentRequest{GroupId: group, ChannelId: room, Policies: askGuests}))
	if err != nil || preview.Msg.GetTotal() != 2 || len(preview.Msg.GetLevels()) != 6 || preview.Msg.GetLevels()[5].GetWould().GetAsked() != 1 {
		t.Fatalf("preview: %v, %v", preview, err)
	}
	started, err := c.enrolments.StartEnrolment(t.Context(), connect.NewRequest(&v1.StartEnrolmentRequest{GroupId: group, ChannelId: room, Policies: askGuests, Text: "come"}))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.enrolments.WatchEnrolment(t.Context(), connect.NewRequest(&v1.WatchEnrolmentRequest{EnrolmentId: started.Msg.GetEnrolment().GetId()}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var last *v1.Enrolment
	for stream.Receive() {
		last = stream.Msg().GetEnrolment()
	}
	if err := stream.Err(); err != nil || last.GetState() != v1.EnrolmentState_ENROLMENT_STATE_DONE || last.GetCounts().GetAsked() != 1 || last.GetCounts().GetAlreadyIn()+last.GetCounts().GetSkippedPolicy() != 1 {
		t.Fatalf("the last state is %v, %v", last, err)
	}

	list, err := guest.enrolments.ListMyInvitations(t.Context(), connect.NewRequest(&v1.ListMyInvitationsRequest{}))
	if err != nil || len(list.Msg.GetInvitations()) != 1 || list.Msg.GetInvitations()[0].GetText() != "come" {
		t.Fatalf("invitations: %v, %v", list, err)
	}
	answer := &v1.AnswerInvitationRequest{InvitationId: list.Msg.GetInvitations()[0].GetId(), Choice: v1.Choice_CHOICE_DECLINE_AND_LEAVE}
	if _, err := guest.enrolments.AnswerInvitation(t.Context(), connect.NewRequest(answer)); err != nil {
		t.Fatal(err)
	}
	roster, err := c.channels.ListRoster(t.Context(), connect.NewRequest(&v1.ListRosterRequest{ChannelId: room}))
	if err != nil || len(roster.Msg.GetEntries()) != 1 {
		t.Errorf("the roster afterwards: %v, %v", roster, err)
	}
}

// TestStreamOutlivesSession ends a stream whose session was revoked, at the next
// thing that it would tell.
func TestStreamOutlivesSession(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true})
	c := n.person("anna", account.ServerUser)
	room, group := n.places(c)
	other := n.sessionOf(c)
	stream := n.watchNew(other, room, group)
	if _, err := c.accounts.RevokeSession(t.Context(), connect.NewRequest(&v1.RevokeSessionRequest{SessionId: int64(other.session)})); err != nil {
		t.Fatal(err)
	}
	id := stream.Msg().GetEnrolment().GetId()
	if _, err := c.enrolments.CancelEnrolment(t.Context(), connect.NewRequest(&v1.CancelEnrolmentRequest{EnrolmentId: id})); err != nil {
		t.Fatal(err)
	}
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeUnauthenticated {
		t.Errorf("after the session: %v, %v", stream.Msg(), stream.Err())
	}
}

// TestStopEndsStreams lets nobody wait for a stream when the server stops.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true})
	c := n.person("anna", account.ServerUser)
	room, group := n.places(c)
	stream := n.watchNew(c, room, group)
	n.api.Stop()
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeUnavailable || detail(stream.Err()).GetReason() != "shutting_down" {
		t.Errorf("after the stop: %v, %v", stream.Msg(), stream.Err())
	}
	if res, body := n.do(c, http.MethodGet, "/readyz", nil); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "shutting_down") {
		t.Errorf("readyz: %s %s", res.Status, body)
	}
}

// TestBackup holds the stream together.
func TestBackup(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{})
	stream, err := n.operator().admin.Backup(t.Context(), connect.NewRequest(&v1.BackupRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	at, short := 0, 0
	for stream.Receive() {
		data := stream.Msg().GetData()
		if len(data) != 64<<10 {
			short++
		}
		for _, b := range data {
			if b != byteAt(at) {
				t.Fatalf("byte %d is wrong", at)
			}
			at++
		}
	}
	if stream.Err() != nil || at != 200_000 || short != 1 {
		t.Errorf("%d bytes came, %d short messages, %v", at, short, stream.Err())
	}
}

// TestPages goes through lists by page tokens.
func TestPages(t *testing.T) {
	t.Parallel()
	n := startNode(t, nodeOptions{noWorkers: true})
	c := n.person("anna", account.ServerAdmin)
	for range 5 {
		n.places(c)
	}
	seen, token := map[int64]bool{}, ""
	for pages := 0; ; pages++ {
		res, err := c.groups.ListMyGroups(t.Context(), connect.NewRequest(&v1.ListMyGroupsRequest{PageSize: 2, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range res.Msg.GetGroups() {
			seen[g.GetGroup().GetId()] = true
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			if pages != 2 || len(seen) != 5 {
				t.Errorf("%d groups in %d pages", len(seen), pages+1)
			}
			break
		}
		// A token of one list is none of another.
		if _, err := c.groups.ListMembers(t.Context(), connect.NewRequest(&v1.ListMembersRequest{GroupId: 1, PageToken: token})); detail(err).GetField() != "page_token" {
			t.Errorf("a token of another list: %v", err)
		}
	}
	for _, name := range []string{"berta", "carla", "dora"} {
		n.person(name, account.ServerUser)
	}
	var names []string
	for token = ""; ; {
		res, err := c.admin.ListAccounts(t.Context(), connect.NewRequest(&v1.ListAccountsRequest{PageSize: 3, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range res.Msg.GetAccounts() {
			names = append(names, a.GetName())
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(names, " ") != "anna berta carla dora" {
		t.Errorf("accounts: %v", names)
	}
}

// places makes a channel and a group of the caller's.
func (n *node) places(c *caller) (room, group int64) {
	n.t.Helper()
	ch, err := c.channels.CreateChannel(n.t.Context(), connect.NewRequest(&v1.CreateChannelRequest{Name: "room"}))
	if err != nil {
		n.t.Fatal(err)
	}
	g, err := c.groups.CreateGroup(n.t.Context(), connect.NewRequest(&v1.CreateGroupRequest{Name: "group"}))
	if err != nil {
		n.t.Fatal(err)
	}
	return ch.Msg.GetChannel().GetId(), g.Msg.GetGroup().GetId()
}

// sessionOf is another session of the caller's account.
func (n *node) sessionOf(c *caller) *caller {
	n.t.Helper()
	acct, err := n.domain.Accounts.GetAccount(n.t.Context(), c.account, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.session(acct)
}

// watchNew starts an enrolment and watches it up to its first state.
func (n *node) watchNew(c *caller, room, group int64) *connect.ServerStreamForClient[v1.WatchEnrolmentResponse] {
	n.t.Helper()
	started, err := c.enrolments.StartEnrolment(n.t.Context(), connect.NewRequest(&v1.StartEnrolmentRequest{GroupId: group, ChannelId: room, Policies: askGuests}))
	if err != nil {
		n.t.Fatal(err)
	}
	stream, err := c.enrolments.WatchEnrolment(n.t.Context(), connect.NewRequest(&v1.WatchEnrolmentRequest{EnrolmentId: started.Msg.GetEnrolment().GetId()}))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { stream.Close() })
	if !stream.Receive() {
		n.t.Fatal(stream.Err())
	}
	return stream
}

// wait waits for a line of the log that holds all of the words.
func (l *logBuffer) wait(t *testing.T, words ...string) {
	t.Helper()
	for {
		for line := range strings.Lines(l.String()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return
			}
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
			continue
		}
		t.Fatalf("the log has no line with %q", words)
	}
}
