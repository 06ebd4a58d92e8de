package api

import (
	"context"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/enrol"
	"muster/internal/wire"
)

// enrolments is EnrolmentService.
type enrolments struct{ *API }

// PreviewEnrolment implements EnrolmentService.
func (s enrolments) PreviewEnrolment(ctx context.Context, r *connect.Request[musterv1.PreviewEnrolmentRequest]) (*connect.Response[musterv1.PreviewEnrolmentResponse], error) {
	policies, err := wire.Policies(r.Msg.GetPolicies())
	if err != nil {
		return nil, err
	}
	p, err := s.opt.Enrolments.Preview(ctx, exchangeOf(ctx).acting, enrol.Request{
		Group: muster.GroupID(r.Msg.GetGroupId()), Channel: muster.ChannelID(r.Msg.GetChannelId()), Policies: policies,
	})
	if err != nil {
		return nil, err
	}
	out := &musterv1.PreviewEnrolmentResponse{
		Total: p.Total, GroupLeft: p.Room.GroupLeft, RequesterLeft: p.Room.RequesterLeft, RetryAfterMs: wire.RetryAfter(p.Room.RetryAfter),
	}
	for _, l := range muster.Levels {
		out.Levels = append(out.Levels, wire.PreviewLine(l, p.Levels[l].Handled(), p.Levels[l]))
	}
	return reply(out)
}

// StartEnrolment implements EnrolmentService.
func (s enrolments) StartEnrolment(ctx context.Context, r *connect.Request[musterv1.StartEnrolmentRequest]) (*connect.Response[musterv1.StartEnrolmentResponse], error) {
	m := r.Msg
	policies, err := wire.Policies(m.GetPolicies())
	if err != nil {
		return nil, err
	}
	expiry, err := wire.Duration("invitation_expiry_ms", m.GetInvitationExpiryMs())
	if err != nil {
		return nil, err
	}
	e, err := s.opt.Enrolments.Start(ctx, exchangeOf(ctx).acting, enrol.Request{
		Group: muster.GroupID(m.GetGroupId()), Channel: muster.ChannelID(m.GetChannelId()), Policies: policies, Text: m.GetText(), Expiry: expiry,
	}, m.GetIdempotencyKey())
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.StartEnrolmentResponse{Enrolment: wire.Enrolment(e)})
}

// GetEnrolment implements EnrolmentService.
func (s enrolments) GetEnrolment(ctx context.Context, r *connect.Request[musterv1.GetEnrolmentRequest]) (*connect.Response[musterv1.GetEnrolmentResponse], error) {
	e, err := s.opt.Enrolments.Get(ctx, exchangeOf(ctx).acting, muster.EnrolmentID(r.Msg.GetEnrolmentId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.GetEnrolmentResponse{Enrolment: wire.Enrolment(e)})
}

// ListEnrolments implements EnrolmentService.
func (s enrolments) ListEnrolments(ctx context.Context, r *connect.Request[musterv1.ListEnrolmentsRequest]) (*connect.Response[musterv1.ListEnrolmentsResponse], error) {
	before, err := wire.ParseToken(wire.ListEnrolments, r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.Msg.GetPageSize())
	list, err := s.opt.Enrolments.List(ctx, exchangeOf(ctx).acting, muster.GroupID(r.Msg.GetGroupId()), muster.EnrolmentID(before.ID), size)
	if err != nil {
		return nil, err
	}
	next := nextByID(wire.ListEnrolments, list, size, func(e enrol.Enrolment) int64 { return int64(e.ID) })
	return reply(&musterv1.ListEnrolmentsResponse{Enrolments: wire.Enrolments(list), NextPageToken: next})
}

// WatchEnrolment implements EnrolmentService.
func (s enrolments) WatchEnrolment(ctx context.Context, r *connect.Request[musterv1.WatchEnrolmentRequest], stream *connect.ServerStream[musterv1.WatchEnrolmentResponse]) error {
	return s.opt.Enrolments.Watch(ctx, exchangeOf(ctx).acting, muster.EnrolmentID(r.Msg.GetEnrolmentId()), func(e enrol.Enrolment) error {
		return stream.Send(&musterv1.WatchEnrolmentResponse{Enrolment: wire.Enrolment(e)})
	})
}

// CancelEnrolment implements EnrolmentService.
func (s enrolments) CancelEnrolment(ctx context.Context, r *connect.Request[musterv1.CancelEnrolmentRequest]) (*connect.Response[musterv1.CancelEnrolmentResponse], error) {
	e, err := s.opt.Enrolments.Cancel(ctx, exchangeOf(ctx).acting, muster.EnrolmentID(r.Msg.GetEnrolmentId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.CancelEnrolmentResponse{Enrolment: wire.Enrolment(e)})
}

// UndoEnrolment implements EnrolmentService.
func (s enrolments) UndoEnrolment(ctx context.Context, r *connect.Request[musterv1.UndoEnrolmentRequest]) (*connect.Response[musterv1.UndoEnrolmentResponse], error) {
	e, err := s.opt.Enrolments.Undo(ctx, exchangeOf(ctx).acting, muster.EnrolmentID(r.Msg.GetEnrolmentId()))
	if err != nil {
		return nil, err
	}
	return reply(&musterv1.UndoEnrolmentResponse{Enrolment: wire.Enrolment(e)})
}

// ListMyInvitations implements EnrolmentService.
func (s enrolments) ListMyInvitations(ctx context.Context, r *connect.Request[musterv1.ListMyInvitationsRequest]) (*connect.Response[musterv1.ListMyInvitationsResponse], error) {
	after, err := wire.ParseToken(wire.ListInvitations, r.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.Msg.GetPageSize())
	list, err := s.opt.Enrolments.ListMyInvitations(ctx, exchangeOf(ctx).acting, muster.InvitationID(after.ID), size)
	if err != nil {
		return nil, err
	}
	next := nextByID(wire.ListInvitations, list, size, func(i enrol.Invitation) int64 { return int64(i.ID) })
	return reply(&musterv1.ListMyInvitationsResponse{Invitations: wire.Invitations(list), NextPageToken: next})
}

// AnswerInvitation implements EnrolmentService.
func (s enrolments) AnswerInvitation(ctx context.Context, r *connect.Request[musterv1.AnswerInvitationRequest]) (*connect.Response[musterv1.AnswerInvitationResponse], error) {
	choice, err := wire.ParseChoice(r.Msg.GetChoice())
	if err != nil {
		return nil, err
	}
	if _, err := s.opt.Enrolments.AnswerInvitation(ctx, exchangeOf(ctx).acting, muster.InvitationID(r.Msg.GetInvitationId()), choice); err != nil {
		return nil, err
	}
	return reply(&musterv1.AnswerInvitationResponse{Choice: r.Msg.GetChoice()})
}
