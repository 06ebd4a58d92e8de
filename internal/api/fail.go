package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"

	"muster"
	"muster/internal/wire"
)

// fail makes an error what the caller gets. It is the one place where this
// happens: a *muster.Error keeps its code and its words, and travels whole as a
// detail (muster.v1.Error); of everything else only "internal" leaves the
// server, with the request's id, under which it is logged here.
func (a *API) fail(ctx context.Context, x *exchange, err error) *connect.Error {
	if e, ok := errors.AsType[*connect.Error](err); ok { // of the transport, or mapped before
		x.code = e.Code()
		return e
	}
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		x.code = connect.CodeCanceled
		if errors.Is(ended, context.DeadlineExceeded) {
			x.code = connect.CodeDeadlineExceeded
		}
		return connect.NewError(x.code, errors.New("the request ended before it was done"))
	}
	told := wire.Error(err, x.id)
	if muster.CodeOf(err) == muster.CodeInternal {
		a.opt.Log.LogAttrs(ctx, slog.LevelError, "a request failed",
			slog.String("request", x.id), slog.String("procedure", x.procedure), slog.Any("error", causeOf(err)))
	}
	out := connect.NewError(codeOf(told), errors.New(sentence(told)))
	if detail, err := connect.NewErrorDetail(told); err == nil {
		out.AddDetail(detail)
	}
	if s := retryAfter(told); s != "" {
		out.Meta().Set("Retry-After", s)
	}
	if out.Code() == connect.CodeUnauthenticated {
		out.Meta().Set("Www-Authenticate", "Bearer")
	}
	x.code = out.Code()
	return out
}

// causeOf is what the log has to say about an internal error.
func causeOf(err error) error {
	if e, ok := errors.AsType[*muster.Error](err); ok && e.Cause != nil {
		return errors.Join(err, e.Cause)
	}
	return err
}

// codeOf is the error's code as Connect counts it.
func codeOf(e *musterv1.Error) connect.Code {
	var code connect.Code
	if err := code.UnmarshalText([]byte(e.GetCode())); err != nil {
		return connect.CodeInternal
	}
	return code
}

// sentence is the error's message for people, with the field if there is one.
func sentence(e *musterv1.Error) string {
	if e.GetField() == "" {
		return e.GetMessage()
	}
	return e.GetField() + ": " + e.GetMessage()
}

// retryAfter is the header of that name (RFC 9110, section 10.2.3), in seconds;
// "": none.
func retryAfter(e *musterv1.Error) string {
	if e.GetRetryAfterMs() <= 0 {
		return ""
	}
	return strconv.FormatInt((e.GetRetryAfterMs()+999)/1000, 10)
}

// refusal is an error outside of a call, in the form that Connect gives errors.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// refuseHTTP answers what does not get as far as a call. A caller of Connect, or
// of JSON, gets JSON; everybody else a line of text.
func (a *API) refuseHTTP(w http.ResponseWriter, r *http.Request, status int, err error) {
	x := exchangeOf(r.Context())
	e := wire.Error(err, x.id)
	a.refuse(w, r, status, refusal{Code: e.GetCode(), Message: sentence(e)})
}

func (a *API) refuse(w http.ResponseWriter, r *http.Request, status int, what refusal) {
	if !wantsJSON(r) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(what.Message + "\n")) // who has gone away is not told
		return
	}
	writeJSON(w, status, what)
}

func wantsJSON(r *http.Request) bool {
	if _, isCall := calls[r.URL.Path]; isCall || strings.HasPrefix(r.URL.Path, "/muster.") {
		return true
	}
	return strings.Contains(r.Header.Get("Accept"), "json") || strings.Contains(r.Header.Get("Content-Type"), "json")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		body, status = []byte(`{"code":"internal"}`), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // as above
}

// unknown answers for every path that is none of the API's: the web client's, or
// nobody's.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	if a.opt.Web != nil && a.opt.Web.Serve(w, r) {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/muster.") {
		a.refuse(w, r, http.StatusNotFound, refusal{"unimplemented", "this server has no call " + r.URL.Path})
		return
	}
	a.refuse(w, r, http.StatusNotFound, refusal{"not_found", "there is nothing at " + r.URL.Path})
}

// refuseCrossOrigin answers a browser that sends what a page of another site
// made (cross-site request forgery).
func (a *API) refuseCrossOrigin(w http.ResponseWriter, r *http.Request) {
	a.refuse(w, r, http.StatusForbidden, refusal{"permission_denied", "a page of another site may not do this"})
}

// onlyCalls says what is wrong with a request that Connect would answer without
// a word.
func (a *API) onlyCalls(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := calls[r.URL.Path]; !known {
			a.unknown(w, r)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			a.refuse(w, r, http.StatusMethodNotAllowed, refusal{"unimplemented", "calls are made with POST"})
			return
		}
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if !strings.HasPrefix(strings.TrimSpace(strings.ToLower(kind)), "application/") || strings.Contains(kind, "form") {
			w.Header().Set("Accept-Post", "application/json, application/proto")
			a.refuse(w, r, http.StatusUnsupportedMediaType, refusal{"invalid_argument", "send a Content-Type of application/json, or application/proto"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
