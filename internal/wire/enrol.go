package wire

import (
	"time"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/enrol"
)

// Policies reads the policies of an enrolment that a client sent; a level that
// stands there twice, or that no roster holds, is an error.
func Policies(list []*musterv1.LevelPolicy) (enrol.Policies, error) {
	var p enrol.Policies
	var seen [muster.Owner + 1]bool
	for _, lp := range list {
		l, err := ParseLevel("policies", lp.GetLevel())
		if err != nil {
			return p, err
		}
		if !l.OnRoster() || seen[l] {
			return p, muster.Invalid("policies", "names the level %v, or names it twice", l)
		}
		seen[l] = true
		switch lp.GetPolicy() {
		case musterv1.EnrolPolicy_ENROL_POLICY_DIRECT:
			p[l] = enrol.Direct
		case musterv1.EnrolPolicy_ENROL_POLICY_ASK:
			p[l] = enrol.Ask
		case musterv1.EnrolPolicy_ENROL_POLICY_SKIP, musterv1.EnrolPolicy_ENROL_POLICY_UNSPECIFIED:
			p[l] = enrol.Skip
		default:
			return p, muster.Invalid("policies", "use DIRECT, ASK or SKIP")
		}
	}
	return p, nil
}

// LevelPolicies are policies as they are sent, the greatest level first.
func LevelPolicies(p enrol.Policies) []*musterv1.LevelPolicy {
	out := make([]*musterv1.LevelPolicy, 0, len(muster.Levels))
	for _, l := range muster.Levels {
		policy := musterv1.EnrolPolicy_ENROL_POLICY_SKIP
		switch p[l] {
		case enrol.Direct:
			policy = musterv1.EnrolPolicy_ENROL_POLICY_DIRECT
		case enrol.Ask:
			policy = musterv1.EnrolPolicy_ENROL_POLICY_ASK
		case enrol.Skip:
		}
		out = append(out, &musterv1.LevelPolicy{Level: Level(l), Policy: policy})
	}
	return out
}

// Counts are an enrolment's counts as they are sent.
func Counts(c enrol.Counts) *musterv1.EnrolmentCounts {
	return &musterv1.EnrolmentCounts{
		AlreadyIn: c.AlreadyIn, Added: c.Added, Asked: c.Asked, SkippedPolicy: c.SkippedPolicy,
		SkippedBlocked: c.SkippedBlocked, SkippedRefused: c.SkippedRefused, SkippedFull: c.SkippedFull,
	}
}

// Enrolment is a job as it is sent.
func Enrolment(e enrol.Enrolment) *musterv1.Enrolment {
	return &musterv1.Enrolment{
		Id: int64(e.ID), GroupId: int64(e.Group), ChannelId: int64(e.Channel), RequesterId: int64(e.Requester),
		State: musterv1.EnrolmentState(e.State), Policies: LevelPolicies(e.Policies), Text: e.Text,
		InvitationExpiryMs: e.Expiry.Milliseconds(), CreatedMs: Millis(e.Created), EndedMs: Millis(e.Ended),
		Total: e.Total, Counts: Counts(e.Counts), Accepted: e.Accepted, Declined: e.Declined,
		Removed: e.Removed, Failure: e.Failure,
	}
}

// Enrolments is a list of jobs as it is sent.
func Enrolments(list []enrol.Enrolment) []*musterv1.Enrolment { return each(list, Enrolment) }

// Invitation is an invitation as it is sent.
func Invitation(i enrol.Invitation) *musterv1.Invitation {
	return &musterv1.Invitation{
		Id: int64(i.ID), GroupId: int64(i.Group), GroupName: i.GroupName, ChannelId: int64(i.Channel),
		ChannelName: i.ChannelName, InviterId: int64(i.Inviter), InviterNickname: i.InviterNickname,
		Text: i.Text, CreatedMs: Millis(i.Created), ExpiresMs: Millis(i.Expires), GroupMemberCount: i.GroupMembers,
	}
}

// Invitations is a list of invitations as it is sent.
func Invitations(list []enrol.Invitation) []*musterv1.Invitation { return each(list, Invitation) }

// ParseChoice reads an answer to an invitation that a client sent.
func ParseChoice(c musterv1.Choice) (enrol.Choice, error) {
	if c < musterv1.Choice_CHOICE_ACCEPT || c > musterv1.Choice_CHOICE_DECLINE_AND_LEAVE {
		return 0, muster.Invalid("choice", "use ACCEPT, DECLINE or DECLINE_AND_LEAVE")
	}
	return enrol.Choice(c), nil //nolint:gosec // checked
}

// PreviewLine is what would become of the people of one level, as it is sent.
func PreviewLine(l muster.Level, people int64, would enrol.Counts) *musterv1.PreviewLine {
	return &musterv1.PreviewLine{Level: Level(l), People: people, Would: Counts(would)}
}

// RetryAfter is a wait as it is sent: in milliseconds, rounded up.
func RetryAfter(d time.Duration) int64 { return millisUp(d) }
