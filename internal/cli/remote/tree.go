package remote

import (
	"context"
	"iter"

	musterv1 "muster/gen/muster/v1"
)

// PlacedChannel is a channel and how deep it lies in the tree; the top is 0.
type PlacedChannel struct {
	*musterv1.Channel
	Depth int
}

// ChannelTree walks the whole tree, each channel before its children. It holds
// one page for each level of the tree.
func (r *Remote) ChannelTree(ctx context.Context) iter.Seq2[PlacedChannel, error] {
	return func(yield func(PlacedChannel, error) bool) {
		r.walk(ctx, 0, 0, yield)
	}
}

// walk gives false when whoever asks has enough.
func (r *Remote) walk(ctx context.Context, parent int64, depth int, yield func(PlacedChannel, error) bool) bool {
	for answer, err := range r.childPages(ctx, parent) {
		if err != nil {
			yield(PlacedChannel{}, err)
			return false
		}
		for _, c := range answer.GetChannels() {
			if !yield(PlacedChannel{c, depth}, nil) || !r.walk(ctx, c.GetId(), depth+1, yield) {
				return false
			}
		}
	}
	return true
}

func (r *Remote) childPages(ctx context.Context, parent int64) iter.Seq2[*musterv1.ListChannelsResponse, error] {
	return Pages(ctx, r.Channels.ListChannels, func(token string) *musterv1.ListChannelsRequest {
		return &musterv1.ListChannelsRequest{ParentId: parent, PageSize: pageSize, PageToken: token}
	})
}
