package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"connectrpc.com/connect"

	"muster"
	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/roster"
	"muster/internal/wire"
)

type channelRosterCmd struct {
	Where
	Channel string   `arg:"" help:"Name, path or id."`
	Level   []string `help:"Only these levels." placeholder:"LEVEL,..."`
	Online  bool     `help:"Only people who are connected."`
	Prefix  string   `help:"Only nicknames that begin so."`
	Limit   int      `help:"How many at most; 0 is all."`
}

// Run lists the roster.
func (c *channelRosterCmd) Run(e *env) error {
	request := &musterv1.ListRosterRequest{OnlineOnly: c.Online, NamePrefix: c.Prefix, PageSize: listPage}
	if c.Limit > 0 {
		request.PageSize = int32(min(c.Limit, listPage)) //nolint:gosec // bounded
	}
	for _, name := range splitList(c.Level) {
		level, err := muster.ParseLevel(name)
		if err != nil {
			return remote.Usage("--level: %v", err)
		}
		request.Levels = append(request.Levels, wire.Level(level))
	}
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		request.ChannelId = id
		table := e.Table("", "level", "nickname", "account", "", "id")
		listed := 0
		for page, err := range remote.Pages(e.ctx, r.Channels.ListRoster, func(token string) *musterv1.ListRosterRequest {
			request.PageToken = token
			return request
		}) {
			if err != nil {
				return err
			}
			for _, p := range page.GetEntries() {
				if listed++; c.Limit > 0 && listed > c.Limit {
					break
				}
				if !e.Message(p) {
					table.Row(enumName(p.GetLevel()), p.GetNickname(), p.GetName(), onlineText(p.GetOnline()), idText(p.GetAccountId()))
				}
			}
			table.Flush()
			if c.Limit > 0 && listed >= c.Limit {
				break
			}
		}
		return nil
	})
}

func onlineText(online bool) string {
	if online {
		return "online"
	}
	return ""
}

type channelExportCmd struct {
	Where
	Channel string `arg:"" help:"Name, path or id."`
	File    string `arg:"" optional:"" default:"-" help:"File to write, - for standard output."`
	Format  string `help:"csv or jsonl; from the file's name unless given, csv for standard output." placeholder:"FORMAT"`
}

// Run writes the roster.
func (c *channelExportCmd) Run(e *env) error {
	format, err := rosterFormat(c.Format, c.File)
	if err != nil {
		return err
	}
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		people := 0
		err := e.writeFile(c.File, func(w io.Writer) (err error) {
			people, err = e.exportRoster(r, id, format, w)
			return err
		})
		if err == nil {
			e.Tell("%s people", "%s 人", term.Number(people))
		}
		return err
	})
}

func (e *env) exportRoster(r *remote.Remote, id int64, format roster.Format, w io.Writer) (people int, err error) {
	out, err := roster.NewWriter(w, format)
	if err != nil {
		return 0, err
	}
	for page, err := range remote.Pages(e.ctx, r.Channels.ListRoster, func(token string) *musterv1.ListRosterRequest {
		return &musterv1.ListRosterRequest{ChannelId: id, PageSize: listPage, PageToken: token}
	}) {
		if err != nil {
			return people, err
		}
		for _, p := range page.GetEntries() {
			if err := out.Write(roster.Entry{Account: p.GetName(), Nickname: p.GetNickname(), Level: muster.Level(p.GetLevel())}); err != nil { //nolint:gosec // a level is small
				return people, err
			}
			people++
		}
	}
	return people, out.Flush()
}

// rosterFormat is the form that a flag or the file's name says; of a standard
// stream CSV.
func rosterFormat(flag, file string) (roster.Format, error) {
	var format roster.Format
	var err error
	switch {
	case flag != "":
		format, err = roster.ParseFormat(flag)
	case file == "-":
		format = roster.CSV
	default:
		format, err = roster.FormatOf(file)
	}
	if err != nil {
		return 0, remote.Usage("%v", err)
	}
	return format, nil
}

type channelImportCmd struct {
	Where
	Channel        string `arg:"" help:"Name, path or id."`
	File           string `arg:"" help:"CSV or JSON Lines file with account, nickname and level; - for standard input."`
	Format         string `help:"csv or jsonl; from the file's name unless given." placeholder:"FORMAT"`
	Level          string `help:"Level of those for whom the file has none." placeholder:"LEVEL"`
	CreateAccounts bool   `help:"Make accounts for unknown names, to be claimed by link. Server administrators only."`
	Bad            string `help:"File for all bad lines; the first 1,000 are shown in any case." placeholder:"FILE" type:"path"`
}

// The sizes of an import: people and bytes of one message, and how many bad
// lines are shown.
const (
	importLines = 2000
	importBytes = 512 << 10
	importShown = 1000
)

// Run imports a roster.
func (c *channelImportCmd) Run(e *env) error {
	format, err := rosterFormat(c.Format, c.File)
	if err != nil {
		return err
	}
	options := roster.Options{}
	if c.Level != "" {
		if options.Level, err = muster.ParseLevel(c.Level); err != nil {
			return remote.Usage("--level: %v", err)
		}
	}
	file, total, err := e.openInput(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	return e.inChannel(c.Where, c.Channel, func(r *remote.Remote, id int64) error {
		i := &rosterImport{env: e, progress: e.Progress(e.Lang.Of("importing", "导入"), total, term.Bytes)}
		defer i.progress.Finish()
		if c.Bad != "" {
			out, err := os.OpenFile(c.Bad, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer func() { _ = out.Close() }() // as far as it could be written
			i.badFile = out
		}
		i.reader = roster.NewReader(&countedReader{r: file, progress: i.progress, total: total}, format, options)
		i.stream = r.Channels.ImportRoster(e.ctx)
		answer, err := i.run(&musterv1.ImportRosterRequest{ChannelId: id, CreateAccounts: c.CreateAccounts})
		if err != nil {
			return err
		}
		i.progress.Finish()
		i.report(answer)
		if answer.GetBad() > 0 && answer.GetAdded()+answer.GetChanged()+answer.GetUnchanged() == 0 {
			return remote.Failed("no line of %s could be taken", c.File)
		}
		return nil
	})
}

// openInput opens a file to read, or standard input; the size is 0 if unknown.
func (e *env) openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(e.In), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, remote.Usage("%v", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(remote.Usage("%s is a directory", name), f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, 0, nil
	}
	return f, info.Size(), nil
}

// countedReader tells how much of a file was read.
type countedReader struct {
	r        io.Reader
	progress *term.Progress
	done     int64
	total    int64
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	c.progress.Set(c.done, c.total)
	return n, err
}

// rosterImport is an import under way. It holds one message of the stream and
// the bad lines that will be shown.
type rosterImport struct {
	env      *env
	reader   *roster.Reader
	stream   *connect.ClientStreamForClient[musterv1.ImportRosterRequest, musterv1.ImportRosterResponse]
	progress *term.Progress
	bad      []*musterv1.BadLine
	badCount int64
	badFile  io.Writer
	bytes    int // of the message that is being filled
}

// run reads the whole file and sends it message by message.
func (i *rosterImport) run(message *musterv1.ImportRosterRequest) (*musterv1.ImportRosterResponse, error) {
	sent := false
	for {
		entry, err := i.reader.Next()
		if bad, ok := errors.AsType[*roster.LineError](err); ok {
			if err := i.note(bad); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, i.abandon(err)
		}
		end := err != nil
		if !end {
			message.Lines = append(message.Lines, &musterv1.ImportLine{
				Line: int64(entry.Line), Account: entry.Account, Nickname: entry.Nickname, Level: wire.Level(entry.Level),
			})
			i.bytes += len(entry.Account) + len(entry.Nickname) + 16
		}
		if full := len(message.Lines) == importLines || i.bytes >= importBytes; full || end && (len(message.Lines) > 0 || !sent) {
			if err := i.stream.Send(message); errors.Is(err, io.EOF) {
				break // the answer says why
			} else if err != nil {
				return nil, i.cut(err)
			}
			sent, i.bytes, message = true, 0, &musterv1.ImportRosterRequest{Lines: message.Lines[:0]}
		}
		if end {
			break
		}
	}
	answer, err := i.stream.CloseAndReceive()
	if err != nil {
		return nil, i.cut(err)
	}
	return answer.Msg, nil
}

// cut explains the end of a stream that did not come to its own. What was sent
// may stand.
func (i *rosterImport) cut(err error) error {
	f := remote.Explain(err, i.env.Lang)
	if i.env.ctx.Err() != nil {
		f.Advice = i.env.Lang.Of("some lines may have been taken; running it again is safe", "部分行可能已导入；可安全地重新运行")
	}
	return f
}

// abandon ends the stream because of the file. What was sent may stand.
func (i *rosterImport) abandon(cause error) error {
	_, _ = i.stream.CloseAndReceive() // the file is what is wrong
	f := remote.Failed("%v", cause)
	f.Advice = i.env.Lang.Of("lines before that may have been taken; running it again is safe", "之前的行可能已导入；可安全地重新运行")
	return f
}

// note keeps a line that is bad by itself.
func (i *rosterImport) note(bad *roster.LineError) error {
	i.badCount++
	problem := bad.Problem
	if bad.Field != "" {
		problem = bad.Field + ": " + problem
	}
	if bad.Text != "" {
		problem += ": " + bad.Text
	}
	if len(i.bad) < importShown {
		i.bad = append(i.bad, &musterv1.BadLine{Line: int64(bad.Line), Problem: problem})
	}
	if i.badFile == nil {
		return nil
	}
	_, err := fmt.Fprintf(i.badFile, "%d: %s\n", bad.Line, problem)
	return err
}

// report shows what became of the file: the counts, and the bad lines by number.
func (i *rosterImport) report(answer *musterv1.ImportRosterResponse) {
	if i.badFile != nil {
		for _, bad := range answer.GetBadLines() {
			_, _ = fmt.Fprintf(i.badFile, "%d: %s\n", bad.GetLine(), bad.GetProblem()) // the lines are shown too
		}
	}
	answer.Bad += i.badCount
	answer.BadLines = append(answer.BadLines, i.bad...)
	slices.SortFunc(answer.BadLines, func(a, b *musterv1.BadLine) int { return cmp.Compare(a.GetLine(), b.GetLine()) })
	answer.BadLines = answer.BadLines[:min(len(answer.BadLines), importShown)]
	e := i.env
	if e.Message(answer) {
		return
	}
	for _, bad := range answer.GetBadLines() {
		e.Tell("  line %d: %s", "  第 %d 行：%s", bad.GetLine(), term.Clean(bad.GetProblem()))
	}
	if more := answer.GetBad() - int64(len(answer.GetBadLines())); more > 0 {
		e.Tell("  and %s more bad lines", "  另有 %s 行有误", term.Number(more))
	}
	e.Print("%s added, %s changed, %s unchanged, %s bad; %s accounts made", "新增 %s，更改 %s，未变 %s，有误 %s；新建账号 %s",
		term.Number(answer.GetAdded()), term.Number(answer.GetChanged()), term.Number(answer.GetUnchanged()),
		term.Number(answer.GetBad()), term.Number(answer.GetAccountsCreated()))
}
