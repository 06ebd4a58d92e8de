package cli

import (
	"cmp"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/client"
	"muster/internal/config"
	"muster/internal/wire"
)

// enrolCmd brings rosters into groups.
type enrolCmd struct {
	Start       enrolStartCmd       `cmd:"" default:"withargs" help:"Preview or start an enrolment (what muster enrol does without a word between)."`
	List        enrolListCmd        `cmd:"" help:"List a group's enrolments, the newest first."`
	Show        enrolShowCmd        `cmd:"" help:"Show an enrolment and its counts."`
	Watch       enrolWatchCmd       `cmd:"" help:"Follow an enrolment until it ends."`
	Cancel      enrolCancelCmd      `cmd:"" help:"Stop an enrolment and withdraw its open invitations; whom it added stays."`
	Undo        enrolUndoCmd        `cmd:"" help:"Remove exactly those whom an enrolment added and who have not since accepted or spoken."`
	Invitations enrolInvitationsCmd `cmd:"" help:"List the acting account's open invitations."`
	Answer      enrolAnswerCmd      `cmd:"" help:"Answer one: accept, decline or leave (decline, and leave the channel's roster)."`
}

type enrolStartCmd struct {
	Where
	Channel string   `required:"" help:"Channel whose roster is taken, by name, path or id."`
	Group   string   `required:"" help:"Group that it is brought into, by name or id."`
	Direct  []string `help:"Levels that are added at once; all is every level." placeholder:"LEVEL,..."`
	Ask     []string `help:"Levels that are asked first." placeholder:"LEVEL,..."`
	Skip    []string `help:"Levels that are left alone, as all that are not named." placeholder:"LEVEL,..."`
	Preview bool     `help:"Count what would happen, and change nothing."`
	Wait    bool     `help:"Stay until it ends, with a progress bar."`
	Text    string   `help:"Text of the question to those who are asked."`
	Expiry  string   `help:"How long an invitation stays open; the server's default unless given." placeholder:"DURATION"`
	Key     string   `help:"Idempotency key: the same key starts the same enrolment once."`
}

// policies puts the three lists together; a level named twice is an error.
func (c *enrolStartCmd) policies() ([]*musterv1.LevelPolicy, error) {
	chosen := map[muster.Level]musterv1.EnrolPolicy{}
	for _, list := range []struct {
		names  []string
		policy musterv1.EnrolPolicy
	}{
		{c.Direct, musterv1.EnrolPolicy_ENROL_POLICY_DIRECT},
		{c.Ask, musterv1.EnrolPolicy_ENROL_POLICY_ASK},
		{c.Skip, musterv1.EnrolPolicy_ENROL_POLICY_SKIP},
	} {
		levels, err := parseLevels(list.names...)
		if err != nil {
			return nil, err
		}
		for _, l := range levels {
			if p, there := chosen[l]; there && p != list.policy {
				return nil, remote.Usage("%s is both %s and %s", l, enumName(p), enumName(list.policy))
			}
			chosen[l] = list.policy
		}
	}
	var policies []*musterv1.LevelPolicy
	acts := false
	for _, l := range muster.Levels {
		if p, there := chosen[l]; there {
			policies = append(policies, &musterv1.LevelPolicy{Level: wire.Level(l), Policy: p})
			acts = acts || p != musterv1.EnrolPolicy_ENROL_POLICY_SKIP
		}
	}
	if !acts {
		return nil, remote.Usage("nobody would be added or asked: name levels with --direct and --ask, such as --direct owner,admin,member --ask vip,guest")
	}
	return policies, nil
}

// Run previews or starts.
func (c *enrolStartCmd) Run(e *env) error {
	policies, err := c.policies()
	if err != nil {
		return err
	}
	expiry := int64(0)
	if c.Expiry != "" {
		d, err := config.ParseDuration(c.Expiry)
		if err != nil {
			return remote.Usage("--expiry: %v", err)
		}
		expiry = d.Milliseconds()
	}
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, channelID int64) error {
		groupID, err := r.Group(e.ctx, c.Group)
		if err != nil {
			return err
		}
		if c.Preview {
			return e.preview(r, &musterv1.PreviewEnrolmentRequest{GroupId: groupID, ChannelId: channelID, Policies: policies})
		}
		answer, err := r.Enrolments.StartEnrolment(e.ctx, connect.NewRequest(&musterv1.StartEnrolmentRequest{
			GroupId: groupID, ChannelId: channelID, Policies: policies, Text: c.Text, InvitationExpiryMs: expiry,
			IdempotencyKey: cmp.Or(c.Key, client.NewMessageID()),
		}))
		if err != nil {
			return err
		}
		job := answer.Msg.GetEnrolment()
		if c.Wait {
			return e.watch(r, job.GetId(), false)
		}
		if !e.Message(job) {
			e.Print("enrolment %d has begun with %s people; muster enrol watch %d follows it", "导入 %d 已开始，共 %s 人；用 muster enrol watch %d 查看进度",
				job.GetId(), term.Number(job.GetTotal()), job.GetId())
		}
		return nil
	})
}

// preview prints what an enrolment would do.
func (e *env) preview(r *remote.Remote, request *musterv1.PreviewEnrolmentRequest) error {
	answer, err := r.Enrolments.PreviewEnrolment(e.ctx, connect.NewRequest(request))
	if err != nil || e.Message(answer.Msg) {
		return err
	}
	policy := map[musterv1.Level]string{}
	for _, p := range request.GetPolicies() {
		policy[p.GetLevel()] = enumName(p.GetPolicy())
	}
	table := e.Table("", "level", "policy", ">people", ">add", ">ask", ">already in", ">skip")
	for _, l := range answer.Msg.GetLevels() {
		w := l.GetWould()
		table.Row(enumName(l.GetLevel()), cmp.Or(policy[l.GetLevel()], "skip"), term.Number(l.GetPeople()), term.Number(w.GetAdded()),
			term.Number(w.GetAsked()), term.Number(w.GetAlreadyIn()), term.Number(skipped(w)))
	}
	table.Flush()
	e.Print("%s people in all; %d more enrolments possible for this group now, %d for you", "共 %s 人；当前窗口内该群还可导入 %d 次，你还可发起 %d 次",
		term.Number(answer.Msg.GetTotal()), answer.Msg.GetGroupLeft(), answer.Msg.GetRequesterLeft())
	return nil
}

// skipped counts everybody who was left alone.
func skipped(c *musterv1.EnrolmentCounts) int64 {
	return c.GetSkippedPolicy() + c.GetSkippedBlocked() + c.GetSkippedRefused() + c.GetSkippedFull()
}

// handled counts everybody who was handled.
func handled(c *musterv1.EnrolmentCounts) int64 {
	return c.GetAlreadyIn() + c.GetAdded() + c.GetAsked() + skipped(c)
}

// watch follows an enrolment until it ends; each change is a line of JSON if
// changes are asked for, else only the end.
func (e *env) watch(r *remote.Remote, id int64, changes bool) error {
	stream, err := r.Enrolments.WatchEnrolment(e.ctx, connect.NewRequest(&musterv1.WatchEnrolmentRequest{EnrolmentId: id}))
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // it has ended, or nobody reads on
	progress := e.Progress(e.Lang.Of("enrolling", "导入"), 0, term.People)
	defer progress.Finish()
	var job *musterv1.Enrolment
	for stream.Receive() {
		job = stream.Msg().GetEnrolment()
		if changes {
			e.Message(job)
		}
		progress.Set(handled(job.GetCounts()), job.GetTotal())
	}
	if err := stream.Err(); err != nil {
		progress.Finish()
		return e.leave(err, id)
	}
	progress.Finish()
	if job == nil {
		return remote.Failed("the server ended the stream without a word")
	}
	if !changes {
		e.Message(job)
	}
	e.reportEnrolment(job)
	if job.GetState() == musterv1.EnrolmentState_ENROLMENT_STATE_FAILED {
		return remote.Failed("the enrolment stopped: %s", job.GetFailure())
	}
	return nil
}

// leave explains the end of watching. Whoever interrupts it learns that the job
// goes on, and its id.
func (e *env) leave(err error, id int64) error {
	f := remote.Explain(err, e.Lang)
	if e.ctx.Err() != nil {
		f.Advice = fmt.Sprintf(e.Lang.Of("the server goes on with it: `muster enrol watch %d` follows it, `muster enrol show %d` has its counts",
			"服务器会继续执行：用 muster enrol watch %d 继续观察，用 muster enrol show %d 查看计数"), id, id)
	}
	return f
}

// reportEnrolment prints a job and its counts.
func (e *env) reportEnrolment(job *musterv1.Enrolment) {
	if e.JSON {
		return
	}
	c := job.GetCounts()
	var policies []string
	for _, p := range job.GetPolicies() {
		policies = append(policies, enumName(p.GetLevel())+"="+enumName(p.GetPolicy()))
	}
	e.Print("enrolment %d: %s, %s of %s people", "导入 %d：%s，%s / %s 人", job.GetId(), enumName(job.GetState()),
		term.Number(handled(c)), term.Number(job.GetTotal()))
	table := e.Table("  ", "", ">")
	table.Row("policy", strings.Join(policies, " "))
	table.Flush()
	counts := e.Table("  ", "", ">")
	for _, row := range []struct {
		name string
		n    int64
	}{
		{"added", c.GetAdded()},
		{"asked", c.GetAsked()},
		{"already in", c.GetAlreadyIn()},
		{"skipped by policy", c.GetSkippedPolicy()},
		{"skipped, they block you", c.GetSkippedBlocked()},
		{"skipped, they refuse", c.GetSkippedRefused()},
		{"skipped, group full", c.GetSkippedFull()},
		{"accepted since", job.GetAccepted()},
		{"declined since", job.GetDeclined()},
		{"removed by undo", job.GetRemoved()},
	} {
		if row.n > 0 {
			counts.Row(row.name, term.Number(row.n))
		}
	}
	counts.Flush()
	if job.GetFailure() != "" {
		e.Print("  failed: %s", "  失败：%s", term.Clean(job.GetFailure()))
	}
}

type enrolListCmd struct {
	Where
	Group string `required:"" help:"Group, by name or id."`
}

// Run lists a group's enrolments.
func (c *enrolListCmd) Run(e *env) error {
	return e.inGroup(c.Where, c.Group, func(r *remote.Remote, id int64) error {
		table := e.Table("", "enrolment", "state", "begun", ">people", ">added", ">asked", ">accepted", ">declined", ">removed")
		for page, err := range remote.Pages(e.ctx, r.Enrolments.ListEnrolments, func(token string) *musterv1.ListEnrolmentsRequest {
			return &musterv1.ListEnrolmentsRequest{GroupId: id, PageSize: 100, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, j := range page.GetEnrolments() {
				if !e.Message(j) {
					table.Row(idText(j.GetId()), enumName(j.GetState()), term.Moment(j.GetCreatedMs()), term.Number(handled(j.GetCounts())),
						term.Number(j.GetCounts().GetAdded()), term.Number(j.GetCounts().GetAsked()), term.Number(j.GetAccepted()),
						term.Number(j.GetDeclined()), term.Number(j.GetRemoved()))
				}
			}
			table.Flush()
		}
		return nil
	})
}

type enrolShowCmd struct {
	Where
	Enrolment int64 `arg:"" help:"Id of the enrolment."`
}

// Run shows an enrolment.
func (c *enrolShowCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Enrolments.GetEnrolment(e.ctx, connect.NewRequest(&musterv1.GetEnrolmentRequest{EnrolmentId: c.Enrolment}))
		if err == nil && !e.Message(answer.Msg.GetEnrolment()) {
			e.reportEnrolment(answer.Msg.GetEnrolment())
		}
		return err
	})
}

type enrolWatchCmd struct {
	Where
	Enrolment int64 `arg:"" help:"Id of the enrolment."`
}

// Run follows an enrolment.
func (c *enrolWatchCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error { return e.watch(r, c.Enrolment, true) })
}

type enrolCancelCmd struct {
	Where
	Enrolment int64 `arg:"" help:"Id of the enrolment."`
}

// Run cancels an enrolment.
func (c *enrolCancelCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Enrolments.CancelEnrolment(e.ctx, connect.NewRequest(&musterv1.CancelEnrolmentRequest{EnrolmentId: c.Enrolment}))
		if err == nil && !e.Message(answer.Msg.GetEnrolment()) {
			e.reportEnrolment(answer.Msg.GetEnrolment())
		}
		return err
	})
}

type enrolUndoCmd struct {
	Where
	Enrolment int64 `arg:"" help:"Id of the enrolment."`
	NoWait    bool  `help:"Do not stay until it is undone."`
}

// Run undoes an enrolment.
func (c *enrolUndoCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Enrolments.UndoEnrolment(e.ctx, connect.NewRequest(&musterv1.UndoEnrolmentRequest{EnrolmentId: c.Enrolment}))
		if err != nil {
			return err
		}
		if answer.Msg.GetEnrolment().GetState() == musterv1.EnrolmentState_ENROLMENT_STATE_UNDOING && !c.NoWait {
			return e.watch(r, c.Enrolment, false)
		}
		if !e.Message(answer.Msg.GetEnrolment()) {
			e.reportEnrolment(answer.Msg.GetEnrolment())
		}
		return nil
	})
}

type enrolInvitationsCmd struct{ Where }

// Run lists invitations.
func (c *enrolInvitationsCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		table := e.Table("", "invitation", "group", ">members", "from", "channel", "until", "text")
		for page, err := range remote.Pages(e.ctx, r.Enrolments.ListMyInvitations, func(token string) *musterv1.ListMyInvitationsRequest {
			return &musterv1.ListMyInvitationsRequest{PageSize: 100, PageToken: token}
		}) {
			if err != nil {
				return err
			}
			for _, i := range page.GetInvitations() {
				if !e.Message(i) {
					table.Row(idText(i.GetId()), i.GetGroupName(), term.Number(i.GetGroupMemberCount()), i.GetInviterNickname(), i.GetChannelName(),
						term.Moment(i.GetExpiresMs()), i.GetText())
				}
			}
			table.Flush()
		}
		return nil
	})
}

type enrolAnswerCmd struct {
	Where
	Invitation int64  `arg:"" help:"Id of the invitation."`
	Choice     string `arg:"" enum:"accept,decline,leave" help:"One of ${enum}; leave declines and leaves the channel's roster."`
}

// Run answers an invitation.
func (c *enrolAnswerCmd) Run(e *env) error {
	choice := map[string]musterv1.Choice{
		"accept": musterv1.Choice_CHOICE_ACCEPT, "decline": musterv1.Choice_CHOICE_DECLINE, "leave": musterv1.Choice_CHOICE_DECLINE_AND_LEAVE,
	}[c.Choice]
	return e.with(c.Where, func(r *remote.Remote) error {
		answer, err := r.Enrolments.AnswerInvitation(e.ctx, connect.NewRequest(&musterv1.AnswerInvitationRequest{InvitationId: c.Invitation, Choice: choice}))
		if err == nil && !e.Message(answer.Msg) {
			e.Print("%s", "", enumName(answer.Msg.GetChoice()))
		}
		return err
	})
}
