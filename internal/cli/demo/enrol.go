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

// levelPolicies is the demo's policy for each level.
func levelPolicies() []*musterv1.LevelPolicy {
	var list []*musterv1.LevelPolicy
	for _, l := range muster.Levels {
		list = append(list, &musterv1.LevelPolicy{Level: wire.Level(l), Policy: policies[l]})
	}
	return list
}

// fates are the counts of the schema in the order of the fates.
func fates(c *musterv1.EnrolmentCounts) [fateCount]int64 {
	return [fateCount]int64{c.GetAlreadyIn(), c.GetAdded(), c.GetAsked(), c.GetSkippedPolicy(), c.GetSkippedBlocked(), c.GetSkippedRefused()}
}

// fateNames name them in differences.
var fateNames = [fateCount]string{"already in", "added", "asked", "skipped by policy", "skipped because they block", "skipped because they refuse"}

// compare compares counts.
func (s *show) compare(what string, got, want [fateCount]int64) {
	for f, name := range fateNames {
		s.equal(what+": "+name, got[f], want[f])
	}
}

// preview counts what would happen.
func (s *show) preview(ctx context.Context) error {
	answer, err := s.owner.Enrolments.PreviewEnrolment(ctx, connect.NewRequest(&musterv1.PreviewEnrolmentRequest{
		GroupId: s.group, ChannelId: s.channel, Policies: levelPolicies(),
	}))
	if err != nil {
		return err
	}
	s.equal("people in the preview", answer.Msg.GetTotal(), int64(s.People))
	s.step(7, "preview", "预览", s.text("what an enrolment would do, by level:", "按等级预览导入结果："))
	table := s.Term.Table("               ", "level", "policy", ">people", ">add", ">ask", ">already in", ">skip")
	for _, line := range answer.Msg.GetLevels() {
		level := muster.Level(line.GetLevel()) //nolint:gosec // a level is small
		w := line.GetWould()
		s.compare("preview of "+level.String(), fates(w), s.plan.fates[level])
		s.equal("preview of "+level.String(), line.GetPeople(), int64(s.plan.levels[level]))
		policy := strings.ToLower(strings.TrimPrefix(policies[level].String(), "ENROL_POLICY_"))
		table.Row(level.String(), policy, term.Number(line.GetPeople()), term.Number(w.GetAdded()), term.Number(w.GetAsked()),
			term.Number(w.GetAlreadyIn()), term.Number(w.GetSkippedBlocked()+w.GetSkippedRefused()+w.GetSkippedPolicy()))
	}
	table.Flush()
	return nil
}

// enrol runs the enrolment and follows it.
func (s *show) enrol(ctx context.Context) error {
	group, err := s.owner.Groups.GetGroup(ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: s.group}))
	if err != nil {
		return err
	}
	s.before = group.Msg.GetGroup().GetHead()
	began := time.Now()
	request := &musterv1.StartEnrolmentRequest{
		GroupId: s.group, ChannelId: s.channel, Policies: levelPolicies(), Text: "join us under the stars?", IdempotencyKey: "demo",
	}
	started, err := s.owner.Enrolments.StartEnrolment(ctx, connect.NewRequest(request))
	if err != nil {
		return err
	}
	again, err := s.owner.Enrolments.StartEnrolment(ctx, connect.NewRequest(request))
	if err != nil {
		return err
	}
	s.holds("the same idempotency key started a second enrolment", again.Msg.GetEnrolment().GetId() == started.Msg.GetEnrolment().GetId())
	job, err := s.follow(ctx, started.Msg.GetEnrolment().GetId())
	if err != nil {
		return err
	}
	took := time.Since(began)
	if job.GetState() != musterv1.EnrolmentState_ENROLMENT_STATE_DONE {
		return remote.Failed("the enrolment ended as %s: %s", job.GetState(), job.GetFailure())
	}
	got := fates(job.GetCounts())
	s.compare("enrolment", got, s.plan.total)
	handled := int64(0)
	for _, n := range got {
		handled += n
	}
	s.equal("people whom the enrolment handled", handled, int64(s.People))
	s.step(8, "enrolment", "导入", s.text("%s %s of %s people in %s (%s a second)", "%s %s / %s 人，用时 %s（每秒 %s 人）",
		s.Term.Paint(term.Green, term.Bar(handled, int64(s.People), 20)), term.Number(handled), term.Number(s.People), term.Took(took),
		term.Number(int64(float64(handled)/took.Seconds()))))
	s.more("%s added, %s asked, %s already in, %s skipped (%s refuse, %s block the owner)", "加入 %s，询问 %s，已在群内 %s，跳过 %s（%s 人拒绝，%s 人拉黑）",
		term.Number(got[fateAdded]), term.Number(got[fateAsked]), term.Number(got[fateIn]), term.Number(got[fateBlocked]+got[fateRefused]+got[fatePolicy]),
		term.Number(got[fateRefused]), term.Number(got[fateBlocked]))
	return nil
}

// follow watches the job with a bar.
func (s *show) follow(ctx context.Context, id int64) (*musterv1.Enrolment, error) {
	stream, err := s.owner.Enrolments.WatchEnrolment(ctx, connect.NewRequest(&musterv1.WatchEnrolmentRequest{EnrolmentId: id}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = stream.Close() }() // it has ended
	bar := s.Term.Progress(s.text("enrolling", "导入"), int64(s.People), term.People)
	defer bar.Vanish()
	var job *musterv1.Enrolment
	for stream.Receive() {
		job = stream.Msg().GetEnrolment()
		handled := int64(0)
		for _, n := range fates(job.GetCounts()) {
			handled += n
		}
		bar.Set(handled, job.GetTotal())
	}
	return job, stream.Err()
}

// answers waits for those who are online, and counts what they said.
func (s *show) answers(ctx context.Context) error {
	told := func(g *guest) int { return g.asked }
	added := func(g *guest) int { return min(g.added, 1) }
	answered := func(g *guest) int { return g.answered }
	accepted, declined := s.plan.choices[musterv1.Choice_CHOICE_ACCEPT], s.plan.choices[musterv1.Choice_CHOICE_DECLINE]
	left, silent := s.plan.choices[musterv1.Choice_CHOICE_DECLINE_AND_LEAVE], s.plan.choices[musterv1.Choice_CHOICE_UNSPECIFIED]
	s.crowd.wait(ctx, told, int64(s.plan.toldAsked))
	s.crowd.wait(ctx, answered, accepted+declined+left)
	s.crowd.wait(ctx, added, int64(s.plan.toldAdded)+accepted)
	s.equal("online people who were asked", s.crowd.sum(told), int64(s.plan.toldAsked))
	s.equal("online people who were told that they are in", s.crowd.sum(added), int64(s.plan.toldAdded)+accepted)
	if err := s.checkAnswers(ctx, accepted, declined, left); err != nil {
		return err
	}
	s.more("told at once, online: %s people \"you are in\", %s \"will you join?\"", "即时通知在线者：%s 人“你已入群”，%s 人“愿意加入吗？”",
		term.Number(s.plan.toldAdded), term.Number(s.plan.toldAsked))
	s.step(9, "answers", "答复", s.text("%s accept, %s decline, %s decline and leave the channel, %s have not answered yet", "%s 接受，%s 拒绝，%s 拒绝并退出频道，%s 尚未答复",
		term.Number(accepted), term.Number(declined), term.Number(left), term.Number(silent)))
	return nil
}

// checkAnswers compares what the answers did to the job, the roster, the group
// and its subgroups.
func (s *show) checkAnswers(ctx context.Context, accepted, declined, left int64) error {
	if err := s.checkRoster(ctx, int64(s.People)-left); err != nil {
		return err
	}
	list, err := s.owner.Enrolments.ListEnrolments(ctx, connect.NewRequest(&musterv1.ListEnrolmentsRequest{GroupId: s.group}))
	if err != nil {
		return err
	}
	s.equal("enrolments of the group", int64(len(list.Msg.GetEnrolments())), 1)
	for _, job := range list.Msg.GetEnrolments() {
		s.equal("accepted", job.GetAccepted(), accepted)
		s.equal("declined", job.GetDeclined(), declined+left)
	}
	group, err := s.owner.Groups.GetGroup(ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: s.group}))
	if err != nil {
		return err
	}
	s.equal("members of the group", group.Msg.GetGroup().GetMemberCount(), s.plan.members+accepted)
	for i, sub := range subgroups {
		for _, got := range group.Msg.GetSubgroups() {
			if got.GetName() == sub.name {
				s.equal("members of "+sub.name, got.GetMemberCount(), s.plan.subgroups[i])
			}
		}
	}
	return nil
}

// message sends a message to the group, and watches who has it now.
func (s *show) message(ctx context.Context) error {
	accepted := s.plan.choices[musterv1.Choice_CHOICE_ACCEPT]
	members := s.plan.members + accepted
	// The owner's own client has it too.
	online := int64(1+s.plan.onlineIn+s.plan.toldAdded) + accepted
	began := time.Now()
	seq, err := s.send(ctx, "first light at 21:40")
	if err != nil {
		return err
	}
	acked := time.Since(began)
	has := func(g *guest) int {
		if slices.Contains(g.seqs, seq) {
			return 1
		}
		return 0
	}
	s.crowd.wait(ctx, has, online)
	took := time.Since(began)
	s.equal("online members who have the message", s.crowd.sum(has), online)
	for i := range 2 { // so that there is more than one to miss
		if _, err := s.send(ctx, fmt.Sprintf("clouds by %d:00", 23+i)); err != nil {
			return err
		}
	}
	s.step(10, "message", "群消息", s.text("to all %s members: acknowledged as number %d, and durable, after %s", "发给全部 %s 名成员：序号 %d，%s 后已持久保存",
		term.Number(members), seq, term.Took(acked)))
	s.more("%s online members have it after %s; %s offline members get it on return", "%s 名在线成员 %s 后收到；%s 名离线成员回来时收到",
		term.Number(online), term.Took(took), term.Number(members-online))
	return nil
}

// comeBack brings offline people online and looks at what they receive.
func (s *show) comeBack(ctx context.Context) error {
	back := s.which(func(p person) bool { return p.returns })
	began := time.Now()
	if err := s.bringOnline(ctx, back); err != nil {
		return err
	}
	took := time.Since(began)
	head, err := s.head(ctx)
	if err != nil {
		return err
	}
	right, asked, nothing := s.judge(head)
	s.equal("members who got exactly what they missed", right, int64(s.plan.backAdded))
	s.equal("people who found the question waiting", asked, int64(s.plan.backAsked))
	s.equal("people who were left alone, and got nothing", nothing, int64(s.plan.backNothing))
	s.step(11, "return", "归来", s.text("%s people come online within %s: each of the %s who were added receives exactly", "%s 人在 %s 内上线：其中 %s 名已被加入者",
		term.Number(len(back)), term.Took(took), term.Number(s.plan.backAdded)))
	s.more("the %d messages they missed, in order and once; %s find the question waiting", "各收到错过的 %d 条消息，有序且不重复；%s 人看到待答复的询问",
		head-s.before, term.Number(s.plan.backAsked))
	return nil
}

// head is the group's newest message.
func (s *show) head(ctx context.Context) (int64, error) {
	group, err := s.owner.Groups.GetGroup(ctx, connect.NewRequest(&musterv1.GetGroupRequest{GroupId: s.group}))
	return group.Msg.GetGroup().GetHead(), err
}

// judge looks at everybody who came back, and at everybody who was there all the
// time: no message twice, none out of order, none missing.
func (s *show) judge(head int64) (right, asked, nothing int64) {
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	for _, g := range s.crowd.guests {
		contiguous := true
		for i, seq := range g.seqs {
			contiguous = contiguous && (i == 0 || seq == g.seqs[i-1]+1)
		}
		if !contiguous {
			s.holds(fmt.Sprintf("%s got the messages %v: not in order, or not once", g.name(), g.seqs), false)
		}
		if !g.returns {
			continue
		}
		switch f := g.fate(); {
		case f == fateAdded && int64(len(g.seqs)) == head-s.before && g.seqs[0] == s.before+1:
			right++
		case f == fateAsked && g.waiting == 1 && len(g.seqs) == 0:
			asked++
		case (f == fateRefused || f == fateBlocked) && g.waiting == 0 && len(g.seqs) == 0:
			nothing++
		}
	}
	return right, asked, nothing
}
