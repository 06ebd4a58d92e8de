package cli

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/client"
)

type tailCmd struct {
	Where
	Target  string `arg:"" help:"Group or channel, by name or id; a group if there are both."`
	Channel bool   `help:"It is a channel. Following one means being in its room."`
	Last    int32  `default:"10" help:"How many messages of a group to begin with." placeholder:"N"`
	After   *int64 `help:"Begin after this seq of a group instead." placeholder:"SEQ"`
	Count   int    `help:"End after so many messages; 0 goes on." placeholder:"N"`
}

// The pauses between two attempts to connect.
const (
	tailFirstPause = 200 * time.Millisecond
	tailLastPause  = 10 * time.Second
)

// errEnough ends a tail that has shown what it should.
var errEnough = errors.New("enough")

// tail is a tail under way.
type tail struct {
	*tailCmd
	env     *env
	remote  *remote.Remote
	group   int64
	channel int64
	at      int64 // the last seq of the group that was shown; -1: none yet
	shown   int
	// followed says that it was connected before.
	followed bool
}

// Run follows.
func (c *tailCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		t := &tail{tailCmd: c, env: e, remote: r, at: -1}
		if c.After != nil {
			t.at = *c.After
		}
		if err := t.find(); err != nil {
			return err
		}
		err := t.run()
		enough := errors.Is(err, errEnough) || errors.Is(err, context.Canceled) && e.ctx.Err() != nil
		if err != nil && !enough {
			return err
		}
		return nil
	})
}

// find finds out what the target is.
func (t *tail) find() error {
	if t.Channel {
		return t.findChannel()
	}
	id, err := t.remote.Group(t.env.ctx, t.Target)
	if err == nil && remote.IsID(t.Target) { // nobody has looked yet whether it is one
		_, err = t.remote.Groups.GetGroup(t.env.ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: id}))
	}
	if err == nil {
		t.group = id
		return nil
	}
	if remote.Explain(err, t.env.Lang).Code != "not_found" {
		return err
	}
	if t.findChannel() != nil {
		return err
	}
	return nil
}

func (t *tail) findChannel() (err error) {
	t.channel, err = t.remote.Channel(t.env.ctx, t.Target)
	return err
}

// run stays connected until it is over.
func (t *tail) run() error {
	pause := tailFirstPause
	for {
		err := t.once()
		after, again := t.goesOn(err)
		if !again {
			return err
		}
		t.env.Tell("muster: %v; connecting again", "muster: %v；正在重连", err)
		select {
		case <-t.env.ctx.Done():
			return t.env.ctx.Err()
		case <-time.After(max(pause, after)):
			pause = min(2*pause, tailLastPause)
		}
	}
}

// goesOn says whether to connect again after an error, and after what time at the
// least. Once it has followed, it waits for a server that is away, too.
func (t *tail) goesOn(err error) (after time.Duration, again bool) {
	if closed, broken := errors.AsType[*client.ClosedError](err); broken {
		return closed.After, closed.Retry != musterv1.Retry_RETRY_NEVER
	}
	return 0, t.followed && remote.Explain(err, t.env.Lang).Exit == remote.ExitUnreachable
}

// once is one connection's life.
func (t *tail) once() error {
	address, err := t.remote.Address()
	if err != nil {
		return err
	}
	token, err := t.remote.Token(t.env.ctx)
	if err != nil {
		return err
	}
	live, err := client.Dial(t.env.ctx, client.Options{URL: address, Token: token, Device: "muster tail"})
	if err != nil {
		return err
	}
	t.followed = true
	defer func() { _ = live.Close() }() // it has ended, or we have
	if err := t.begin(live); err != nil {
		return err
	}
	for {
		select {
		case <-t.env.ctx.Done():
			return t.env.ctx.Err()
		case f, ok := <-live.Events():
			if !ok {
				return live.Err()
			}
			if err := t.take(f); err != nil {
				return err
			}
		}
	}
}

// begin enters the room, or brings what the group has already.
func (t *tail) begin(live *client.Live) error {
	if t.channel != 0 {
		entered, err := live.Enter(t.env.ctx, muster.ChannelID(t.channel))
		if err == nil {
			t.env.Tell("in the room with %d people", "已进入房间，共 %d 人", entered.GetPeople())
		}
		return err
	}
	if t.at >= 0 {
		return t.catchUp()
	}
	page, err := t.remote.Groups.ListMessages(t.env.ctx, connect.NewRequest(&musterv1.ListMessagesRequest{GroupId: t.group, Limit: max(t.Last, 1)}))
	if err != nil {
		return err
	}
	t.at = page.Msg.GetHead()
	if t.Last > 0 {
		return t.showAll(page.Msg.GetMessages())
	}
	return nil
}

// catchUp brings what came after the last message shown.
func (t *tail) catchUp() error {
	for {
		after := t.at
		page, err := t.remote.Groups.ListMessages(t.env.ctx, connect.NewRequest(&musterv1.ListMessagesRequest{GroupId: t.group, After: &after, Limit: 100}))
		if err != nil {
			return err
		}
		if err := t.showAll(page.Msg.GetMessages()); err != nil || !page.Msg.GetMore() {
			return err
		}
	}
}

func (t *tail) showAll(list []*musterv1.GroupMessage) error {
	for _, m := range list {
		if err := t.show(m); err != nil {
			return err
		}
	}
	return nil
}

// take handles one event.
func (t *tail) take(f *musterv1.ServerFrame) error {
	switch b := f.GetBody().(type) {
	case *musterv1.ServerFrame_GroupMessage:
		m := b.GroupMessage
		if m.GetGroupId() != t.group || m.GetSeq() <= t.at {
			return nil
		}
		if m.GetSeq() > t.at+1 {
			return t.catchUp()
		}
		return t.show(m)
	case *musterv1.ServerFrame_GroupBehind:
		if b.GroupBehind.GetGroupId() == t.group {
			return t.catchUp()
		}
	case *musterv1.ServerFrame_MemberRemoved:
		if b.MemberRemoved.GetGroupId() == t.group {
			return remote.Failed("you are no longer in the group (%s)", b.MemberRemoved.GetWhy())
		}
	case *musterv1.ServerFrame_ChannelMessage:
		if b.ChannelMessage.GetChannelId() == t.channel {
			return t.said(b.ChannelMessage)
		}
	case *musterv1.ServerFrame_ChannelSkipped:
		t.env.Tell("(%d messages skipped: this terminal was too slow)", "（终端太慢，跳过 %d 条消息）", b.ChannelSkipped.GetCount())
	case *musterv1.ServerFrame_ChannelLeft:
		if b.ChannelLeft.GetChannelId() == t.channel && b.ChannelLeft.GetWhy() != "" {
			return t.put(b.ChannelLeft)
		}
	}
	return nil
}

// put handles that somebody was put out of the room: this client, if the event
// is about its account.
func (t *tail) put(left *musterv1.ChannelLeft) error {
	acting, err := t.remote.Acting(t.env.ctx)
	if err != nil || acting.GetId() != left.GetAccountId() {
		return err
	}
	return remote.Failed("you were put out of the room (%s)", left.GetWhy())
}

// show prints a message of the group, once.
func (t *tail) show(m *musterv1.GroupMessage) error {
	t.at = max(t.at, m.GetSeq())
	if !t.env.Message(m) {
		text := m.GetText()
		switch m.GetKind() {
		case musterv1.MessageKind_MESSAGE_KIND_JOINED:
			text = t.env.Lang.Of(term.Number(m.GetCount())+" people joined", term.Number(m.GetCount())+" 人加入")
		case musterv1.MessageKind_MESSAGE_KIND_TOMBSTONE:
			text = t.env.Lang.Of("(this message cannot be read any more)", "（该消息已无法读取）")
		default:
		}
		t.env.Print("%6d  %s  %s: %s", "", m.GetSeq(), clockText(m.GetTimeMs()), speaker(m.GetSenderNickname()), term.Clean(text))
	}
	return t.counted()
}

// said prints a message of the channel.
func (t *tail) said(m *musterv1.ChannelMessage) error {
	if !t.env.Message(m) {
		t.env.Print("%s  %s: %s", "", clockText(m.GetTimeMs()), speaker(m.GetSenderNickname()), term.Clean(m.GetText()))
	}
	return t.counted()
}

func (t *tail) counted() error {
	if t.shown++; t.Count > 0 && t.shown >= t.Count {
		return errEnough
	}
	return context.Cause(t.env.ctx)
}

// speaker is who wrote; the server itself has no name.
func speaker(nickname string) string {
	if nickname == "" {
		return "*"
	}
	return term.Clean(nickname)
}

func clockText(ms int64) string { return time.UnixMilli(ms).Local().Format("15:04:05") }
