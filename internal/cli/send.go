package cli

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/client"
)

type sendCmd struct {
	Where
	Group string `arg:"" help:"Name or id."`
	Text  string `arg:"" help:"The message; - reads it from standard input."`
	Lines bool   `help:"With -: every line is a message of its own."`
	Reply int64  `help:"Seq of the message that this one answers." placeholder:"SEQ"`
	ID    string `help:"Client message id: the same id again is the same message, which stands once." placeholder:"ID"`
}

// The bounds of a message that is read, and of sending it again when the server
// is out of reach for a moment.
const (
	maxMessage  = 1 << 20
	sendTries   = 5
	sendPause   = 200 * time.Millisecond
	sendLongest = 3 * time.Second
)

// Run sends.
func (c *sendCmd) Run(e *env) error {
	if c.Lines && (c.Text != "-" || c.ID != "") {
		return remote.Usage("--lines goes with - and without --id")
	}
	return e.inGroup(c.Where, c.Group, func(r *remote.Remote, id int64) error {
		if c.Text == "-" && c.Lines {
			return c.sendLines(e, r, id)
		}
		text := c.Text
		if text == "-" {
			data, err := io.ReadAll(io.LimitReader(e.In, maxMessage))
			if err != nil {
				return err
			}
			text = strings.TrimRight(string(data), "\r\n")
		}
		return c.send(e, r, &musterv1.SendRequest{GroupId: id, ClientMessageId: c.ID, Text: text, ReplyTo: c.Reply})
	})
}

// sendLines sends each line that is not blank.
func (c *sendCmd) sendLines(e *env, r *remote.Remote, id int64) error {
	lines := bufio.NewScanner(e.In)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if err := c.send(e, r, &musterv1.SendRequest{GroupId: id, Text: lines.Text(), ReplyTo: c.Reply}); err != nil {
			return err
		}
	}
	return lines.Err()
}

// send sends one message until it is acknowledged or refused, under one id.
func (c *sendCmd) send(e *env, r *remote.Remote, request *musterv1.SendRequest) error {
	if request.ClientMessageId == "" {
		request.ClientMessageId = client.NewMessageID()
	}
	pause := sendPause
	for try := 1; ; try++ {
		answer, err := r.Groups.Send(e.ctx, connect.NewRequest(request))
		if err == nil {
			if !e.Message(answer.Msg) {
				e.Print("sent as %d (%s)", "已发送，序号 %d（%s）", answer.Msg.GetSeq(), term.Moment(answer.Msg.GetTimeMs()))
			}
			return nil
		}
		if f := remote.Explain(err, e.Lang); f.Exit != remote.ExitUnreachable || try == sendTries {
			return err
		}
		select {
		case <-e.ctx.Done():
			return errors.Join(e.ctx.Err(), err)
		case <-time.After(pause):
			pause = min(2*pause, sendLongest)
		}
	}
}
