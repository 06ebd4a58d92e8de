package remote

import (
	"context"
	"iter"

	"connectrpc.com/connect"
)

// page is an answer that another one may follow.
type page interface{ GetNextPageToken() string }

// Pages calls for one page after the other, so that a list of any size is never
// held as a whole. request is called with the token of the page and makes the
// request for it.
func Pages[Q any, A any, P interface {
	*A
	page
}](ctx context.Context, call func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), request func(token string) *Q) iter.Seq2[P, error] {
	return func(yield func(P, error) bool) {
		token := ""
		for {
			answer, err := call(ctx, connect.NewRequest(request(token)))
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(P(answer.Msg), nil) {
				return
			}
			if token = P(answer.Msg).GetNextPageToken(); token == "" {
				return
			}
		}
	}
}
