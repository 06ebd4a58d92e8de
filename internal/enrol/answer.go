package enrol

import (
	"context"

	"muster"
)

// ListMyInvitations lists the acting account's open invitations by id.
func (s *Service) ListMyInvitations(ctx context.Context, acting muster.AccountID, after muster.InvitationID, limit int) ([]Invitation, error) {
	return s.opt.Ledger.Invitations(ctx, acting, after, bounded(limit))
}

// CountMyInvitations counts the acting account's open invitations.
func (s *Service) CountMyInvitations(ctx context.Context, acting muster.AccountID) (int64, error) {
	return s.opt.Ledger.CountInvitations(ctx, acting)
}

// Invitation reads one of the acting account's open invitations; not_found when
// there is none.
func (s *Service) Invitation(ctx context.Context, acting muster.AccountID, id muster.InvitationID) (Invitation, error) {
	return s.opt.Ledger.Invitation(ctx, acting, id)
}

// AnswerInvitation answers one of the acting account's invitations. The same
// answer again changes nothing and is no error; another one is refused, as is a
// late one. DeclineAndLeave takes the account off the channel's roster in the
// same act, and out of the group if an enrolment has added it meanwhile.
func (s *Service) AnswerInvitation(ctx context.Context, acting muster.AccountID, id muster.InvitationID, choice Choice) (Answered, error) {
	if choice != Accept && choice != Decline && choice != DeclineAndLeave {
		return Answered{}, muster.Invalid("choice", "use accept, decline or decline and leave")
	}
	group, err := s.opt.Ledger.InvitedTo(ctx, acting, id)
	if err != nil {
		return Answered{}, err
	}
	head, err := s.opt.Groups.Head(ctx, group)
	if err != nil {
		return Answered{}, err
	}
	a, err := s.opt.Ledger.Answer(ctx, acting, id, choice, head)
	if err != nil || a.Repeated {
		return a, err
	}
	s.opt.Events.InvitationClosed(acting, id)
	if a.Joined {
		s.opt.Events.MembersAdded(a.Group, a.Enrolment, []muster.AccountID{acting})
		s.opt.Events.GroupChanged(a.Group)
	}
	if a.Removed {
		s.opt.Events.MembersRemoved(a.Group, []muster.AccountID{acting}, "left")
		s.opt.Events.GroupChanged(a.Group)
	}
	if a.Left {
		signal(s.leaving)
		if err := s.opt.Channels.Refresh(ctx, a.Channel, acting); err != nil {
			s.opt.Log.Warn("a room did not hear that somebody left the roster", "channel", a.Channel, "account", acting, "error", err)
		}
	}
	if a.Enrolment != 0 {
		s.tellCurrent(ctx, a.Enrolment)
	}
	return a, nil
}

// tellCurrent passes on the counts after an answer. It is a courtesy: without
// it the next look shows them.
func (s *Service) tellCurrent(ctx context.Context, id muster.EnrolmentID) {
	if e, err := s.opt.Ledger.Get(ctx, id); err == nil {
		s.tell(e)
	}
}
