package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/wire"
)

// The names of what the demo makes.
const (
	channelName = "Stargazers"
	groupName   = "Star party"
)

// fillChannel makes the channel and imports its roster.
func (s *show) fillChannel(ctx context.Context) error {
	made, err := s.owner.Channels.CreateChannel(ctx, connect.NewRequest(&musterv1.CreateChannelRequest{Name: channelName, JoinPolicy: musterv1.JoinPolicy_JOIN_POLICY_OPEN}))
	if err != nil {
		return err
	}
	s.channel = made.Msg.GetChannel().GetId()
	began := time.Now()
	bar := s.Term.Progress(s.text("roster", "频道成员"), int64(s.People), term.People)
	defer bar.Vanish()
	stream := s.owner.Channels.ImportRoster(ctx)
	page := &musterv1.ImportRosterRequest{ChannelId: s.channel, CreateAccounts: true}
	for i := 1; i < s.People; i++ {
		p := s.cast.person(i)
		page.Lines = append(page.Lines, &musterv1.ImportLine{Line: int64(i), Account: p.name(), Nickname: p.nickname(), Level: wire.Level(p.level)})
		if len(page.Lines) == 1000 || i == s.People-1 {
			if err := stream.Send(page); err != nil {
				break // the answer says why
			}
			page = &musterv1.ImportRosterRequest{}
			bar.Set(int64(i), 0)
		}
	}
	answer, err := stream.CloseAndReceive()
	if err != nil {
		return err
	}
	took := time.Since(began)
	bar.Vanish()
	s.equal("people imported", answer.Msg.GetAdded(), int64(s.People-1))
	s.equal("accounts made by the import", answer.Msg.GetAccountsCreated(), int64(s.People-1))
	s.equal("bad lines of the import", answer.Msg.GetBad(), 0)
	if err := s.checkRoster(ctx, int64(s.People)); err != nil {
		return err
	}
	s.step(2, "channel", "频道", s.text("%q: a roster of %s people, imported in %s", "“%s”：导入 %s 名成员，用时 %s", channelName, term.Number(s.People), term.Took(took)))
	var parts []string
	for _, l := range muster.Levels {
		parts = append(parts, fmt.Sprintf("%s %s", term.Number(s.plan.levels[l]), plural(l.String(), s.plan.levels[l])))
	}
	s.more("%s", "%s", strings.Join(parts, ", "))
	return nil
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// checkRoster compares the roster's size.
func (s *show) checkRoster(ctx context.Context, want int64) error {
	shown, err := s.owner.Channels.GetChannel(ctx, connect.NewRequest(&musterv1.GetChannelRequest{ChannelId: s.channel}))
	if err == nil {
		s.equal("people on the roster", shown.Msg.GetChannel().GetRosterCount(), want)
	}
	return err
}

// makeGroup makes the group with its subgroups and the level map.
func (s *show) makeGroup(ctx context.Context) error {
	made, err := s.owner.Groups.CreateGroup(ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: groupName}))
	if err != nil {
		return err
	}
	s.group = made.Msg.GetGroup().GetId()
	request := &musterv1.SetLevelMapRequest{GroupId: s.group}
	var parts []string
	for _, sub := range subgroups {
		added, err := s.owner.Groups.CreateSubgroup(ctx, connect.NewRequest(&musterv1.CreateSubgroupRequest{GroupId: s.group, Name: sub.name}))
		if err != nil {
			return err
		}
		var names []string
		for _, l := range sub.levels {
			request.Mappings = append(request.Mappings, &musterv1.LevelMapping{Level: wire.Level(l), SubgroupId: added.Msg.GetSubgroup().GetId()})
			names = append(names, l.String())
		}
		if len(names) == 0 {
			request.DefaultSubgroupId = added.Msg.GetSubgroup().GetId()
			names = append(names, s.text("everybody else", "其余所有人"))
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", sub.name, strings.Join(names, ", ")))
	}
	if _, err := s.owner.Groups.SetLevelMap(ctx, connect.NewRequest(request)); err != nil {
		return err
	}
	if _, err := s.send(ctx, "who was here before the enrolment reads this, nobody else gets it"); err != nil {
		return err
	}
	s.step(3, "group", "群", s.text("%q with subgroups %s", "“%s”，分组：%s", groupName, strings.Join(parts, ", ")))
	return nil
}

// send sends a message to the group as the owner.
func (s *show) send(ctx context.Context, text string) (seq int64, err error) {
	sent, err := s.owner.Groups.Send(ctx, connect.NewRequest(&musterv1.SendRequest{GroupId: s.group, ClientMessageId: fmt.Sprintf("demo-%d", time.Now().UnixNano()), Text: text}))
	if err != nil {
		return 0, err
	}
	return sent.Msg.GetSeq(), nil
}

// signIn opens a session for one of the cast, as the operator of the machine
// may.
func (s *show) signIn(ctx context.Context, p person) (string, error) {
	answer, err := s.admin.Admin.IssueSession(ctx, connect.NewRequest(&musterv1.IssueSessionRequest{Name: p.name(), Device: "demo"}))
	if err != nil {
		return "", fmt.Errorf("sign in %s: %w", p.name(), err)
	}
	return answer.Msg.GetToken(), nil
}

// which lists those of the cast for whom something holds.
func (s *show) which(holds func(p person) bool) []person {
	var list []person
	for i := 1; i < s.People; i++ {
		if p := s.cast.person(i); holds(p) {
			list = append(list, p)
		}
	}
	return list
}

// makeWishes lets people say who may add them, block the owner, and join before
// the enrolment.
func (s *show) makeWishes(ctx context.Context) error {
	me, err := s.owner.Acting(ctx)
	if err != nil {
		return err
	}
	joining := s.which(func(p person) bool { return p.wish == isIn })
	if err := s.invite(ctx, joining); err != nil {
		return err
	}
	wishing := s.which(func(p person) bool { return p.wish != noWish })
	err = each(ctx, wishing, func(ctx context.Context, p person) error {
		token, err := s.signIn(ctx, p)
		if err != nil {
			return err
		}
		r := s.as(token)
		switch p.wish {
		case wantsAsk:
			_, err = r.Accounts.UpdateProfile(ctx, connect.NewRequest(&musterv1.UpdateProfileRequest{DirectAdd: musterv1.DirectAdd_DIRECT_ADD_ASK.Enum()}))
		case refuses:
			_, err = r.Accounts.UpdateProfile(ctx, connect.NewRequest(&musterv1.UpdateProfileRequest{DirectAdd: musterv1.DirectAdd_DIRECT_ADD_REFUSE.Enum()}))
		case blocks:
			_, err = r.Accounts.Block(ctx, connect.NewRequest(&musterv1.BlockRequest{AccountId: me.GetId()}))
		case isIn:
			err = acceptAll(ctx, r)
		case noWish:
		}
		return err
	})
	if err != nil {
		return err
	}
	s.step(4, "wishes", "意愿", s.text("%s people want to be asked first, %s refuse, %s block the owner, %s are in the group already",
		"%s 人要求先询问，%s 人拒绝，%s 人拉黑了所有者，%s 人已在群内",
		term.Number(s.plan.wishes[wantsAsk]), term.Number(s.plan.wishes[refuses]), term.Number(s.plan.wishes[blocks]), term.Number(s.plan.wishes[isIn])))
	return nil
}

// as acts with a session over the main port.
func (s *show) as(token string) *remote.Remote { return remote.At(s.server.LocalURL(), token) }

// invite asks people by hand.
func (s *show) invite(ctx context.Context, list []person) error {
	for some := range slices.Chunk(list, 500) {
		request := &musterv1.InviteRequest{GroupId: s.group}
		for _, p := range some {
			a, err := s.owner.Account(ctx, p.name())
			if err != nil {
				return err
			}
			request.AccountIds = append(request.AccountIds, a.GetId())
		}
		answer, err := s.owner.Groups.Invite(ctx, connect.NewRequest(request))
		if err != nil {
			return err
		}
		s.equal("people invited by hand", answer.Msg.GetInvited(), int64(len(some)))
	}
	return nil
}

// acceptAll accepts every open invitation of an account.
func acceptAll(ctx context.Context, r *remote.Remote) error {
	open, err := r.Enrolments.ListMyInvitations(ctx, connect.NewRequest(&musterv1.ListMyInvitationsRequest{}))
	if err != nil {
		return err
	}
	for _, i := range open.Msg.GetInvitations() {
		if _, err := r.Enrolments.AnswerInvitation(ctx, connect.NewRequest(&musterv1.AnswerInvitationRequest{
			InvitationId: i.GetId(), Choice: musterv1.Choice_CHOICE_ACCEPT,
		})); err != nil {
			return err
		}
	}
	return nil
}

// connect brings the people online who are there from the beginning, the owner
// too.
func (s *show) connect(ctx context.Context) error {
	s.crowd = newCrowd(ctx, s.server.LocalURL(), s.group)
	began := time.Now()
	s.crowd.join(s.cast.person(0), s.token)
	if err := s.bringOnline(ctx, s.which(func(p person) bool { return p.online })); err != nil {
		return err
	}
	s.equal("clients connected", int64(len(s.crowd.guests)), int64(s.plan.online+1))
	s.step(5, "online", "在线", s.text("%s people and the owner connect in %s; %s are offline", "%s 人与所有者在 %s 内连接；%s 人离线",
		term.Number(s.plan.online), term.Took(time.Since(began)), term.Number(s.People-s.plan.online-1)))
	return nil
}

// bringOnline signs people in and connects them.
func (s *show) bringOnline(ctx context.Context, list []person) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return each(ctx, list, func(ctx context.Context, p person) error {
		token, err := s.signIn(ctx, p)
		if err != nil {
			return err
		}
		_, err = s.crowd.join(p, token).connected(ctx)
		return err
	})
}

// talk says something in the room, and lets somebody come in afterwards.
func (s *show) talk(ctx context.Context) error {
	s.crowd.mu.Lock()
	guests := slices.Clone(s.crowd.guests)
	s.crowd.mu.Unlock()
	slices.SortFunc(guests, func(a, b *guest) int { return a.number - b.number })
	room := guests[:len(guests)*2/3] // the owner among them
	late := guests[len(guests)-1]
	if err := each(ctx, room, func(ctx context.Context, g *guest) error { return g.enter(ctx, s.channel) }); err != nil {
		return err
	}
	live, err := guests[0].connected(ctx)
	if err != nil {
		return err
	}
	heard := func(g *guest) int { return g.heard }
	began := time.Now()
	said, err := live.Say(ctx, muster.ChannelID(s.channel), "the sky is clear tonight")
	if err != nil {
		return err
	}
	s.crowd.wait(ctx, heard, int64(len(room)))
	took := time.Since(began)
	if err := late.enter(ctx, s.channel); err != nil {
		return err
	}
	s.equal("clients that the channel message was handed to", said.GetDelivered(), int64(len(room)))
	s.equal("clients that heard the channel message", s.crowd.sum(heard), int64(len(room)))
	s.equal("what the one who came later heard", int64(late.heard), 0)
	s.step(6, "talk", "讲话", s.text("%d people in the room hear what the owner says within %s; who comes in a", "房间内 %d 人在 %s 内听到所有者的话；", len(room), term.Took(took)))
	s.more("moment later hears nothing of it: a channel keeps nothing", "稍后进来的人听不到：频道不保存任何内容")
	return nil
}
