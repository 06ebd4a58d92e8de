package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/app"
	"muster/internal/client"
	"muster/internal/config"
)

// ServeChild runs a server for a measurement, as a process of its own, until its
// standard input ends. It prints the address and the setup token.
func ServeChild(ctx context.Context, p Place) error {
	cfg := config.Default()
	cfg.Server.Listen, cfg.Server.Data = "127.0.0.1:0", p.Dir
	cfg.Database.URL = config.Secret(p.Postgres)
	cfg.Live.MessagesPerSecond, cfg.Live.Burst, cfg.Live.HandshakesPerSecond = 1_000_000, 1_000_000, 0
	cfg.Enrolment.PerGroup, cfg.Enrolment.PerRequester = 1000, 1000
	s, err := app.New(ctx, cfg, app.Options{})
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(s.SetupLink(), "#")
	fmt.Println(s.LocalURL(), token)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return s.Run(ctx)
}

// server is a server in another process.
type server struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	url   string
	token string
	ready time.Duration // from the start of the process until it answered
	owner client.Services
	id    int64
	dir   string
}

// startServer starts this program again as a server and makes its owner.
func startServer(ctx context.Context, p Place) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{}
	if p.Dir == "" {
		if s.dir, err = os.MkdirTemp("", "muster-bench-"); err != nil {
			return nil, err
		}
		p.Dir = s.dir
	}
	args := []string{"--dir", p.Dir, "--postgres", p.Postgres}
	if p.ServerProfile != "" {
		args = append(args, "--cpu-profile", p.ServerProfile)
	}
	s.cmd = exec.CommandContext(ctx, self, append(args, "serve-child")...) //nolint:gosec // ourselves
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.url, s.token, _ = strings.Cut(strings.TrimSpace(line), " ")
	s.ready = time.Since(begun)
	r, err := client.NewServices(s.url, "", nil).Register(ctx, connect.NewRequest(&musterv1.RegisterRequest{
		Name: "owner", Password: "a long pass phrase", SetupToken: s.token,
	}))
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	s.token, s.id = r.Msg.GetToken(), r.Msg.GetAccount().GetId()
	s.owner = client.NewServices(s.url, s.token, nil)
	return s, nil
}

func (s *server) stop() error {
	err := errors.Join(s.stdin.Close(), s.cmd.Wait())
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// cpu is the processor time of the server so far.
func (s *server) cpu() time.Duration {
	// Fields 14 and 15 of /proc/PID/stat (proc(5)), counted after the name.
	stat := readFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/stat")
	_, rest, _ := strings.Cut(stat, ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (s *server) residentMB() float64 {
	return float64(residentKB(strconv.Itoa(s.cmd.Process.Pid), "VmRSS")) / 1024
}

// IdleFigures are a server that has nothing to do.
type IdleFigures struct {
	Name       string    `json:"name"`
	Machine    Machine   `json:"machine"`
	ReadyMS    []float64 `json:"ready_ms"`
	ResidentMB []float64 `json:"resident_mb"`
	// CPUPercent is of one processor, over ten seconds.
	CPUPercent []float64 `json:"cpu_percent"`
}

// Idle measures a fresh server with an owner and nobody else.
func Idle(ctx context.Context, p Place, runs int) (f IdleFigures, err error) {
	f = IdleFigures{Name: "idle server", Machine: ThisMachine()}
	for range runs {
		s, err := startServer(ctx, p)
		if err != nil {
			return f, err
		}
		f.ReadyMS = append(f.ReadyMS, s.ready.Seconds()*1000)
		before := s.cpu()
		if err := sleep(ctx, 10*time.Second); err != nil {
			return f, errors.Join(err, s.stop())
		}
		f.CPUPercent = append(f.CPUPercent, (s.cpu()-before).Seconds()*10)
		f.ResidentMB = append(f.ResidentMB, s.residentMB())
		if err := s.stop(); err != nil {
			return f, err
		}
	}
	return f, nil
}

// SocketFigures are durable sends through the whole server.
type SocketFigures struct {
	Name        string    `json:"name"`
	Machine     Machine   `json:"machine"`
	Connections int       `json:"connections"`
	UnderWay    int       `json:"under_way_each"`
	TextBytes   int       `json:"text_bytes"`
	PerSecond   []float64 `json:"acks_per_second"`
	Median      float64   `json:"median_acks_per_second"`
	MedianP99   float64   `json:"median_p99_ms"`
	Latency     []Latency `json:"latency"`
	Pushed      []int64   `json:"messages_pushed"`
	ServerCPU   []float64 `json:"server_cpu_seconds"`
}

// Sockets measures durable sends over sockets into one group of which all
// connections are members: each gets all messages pushed.
func Sockets(ctx context.Context, p Place, conns, underWay, runs int, d time.Duration) (f SocketFigures, err error) {
	s, err := startServer(ctx, p)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	f = SocketFigures{Name: "send through the server", Machine: ThisMachine(), Connections: conns, UnderWay: underWay, TextBytes: 256}
	tokens, g, err := s.crowd(ctx, "s", conns)
	if err != nil {
		return f, err
	}
	var p99 []float64
	for range runs {
		before := s.cpu()
		l, perSecond, pushed, err := s.flood(ctx, tokens, g, underWay, d)
		if err != nil {
			return f, err
		}
		f.PerSecond, f.Latency, f.Pushed = append(f.PerSecond, perSecond), append(f.Latency, l), append(f.Pushed, pushed)
		f.ServerCPU = append(f.ServerCPU, (s.cpu() - before).Seconds())
		p99 = append(p99, l.P99)
	}
	f.Median, f.MedianP99 = median(f.PerSecond), median(p99)
	return f, nil
}

// crowd makes n people with a session each, all members of one new group.
func (s *server) crowd(ctx context.Context, prefix string, n int) (tokens []string, g int64, err error) {
	ch, err := s.owner.CreateChannel(ctx, connect.NewRequest(&musterv1.CreateChannelRequest{Name: "Crowd " + prefix}))
	if err != nil {
		return nil, 0, err
	}
	im := s.owner.ImportRoster(ctx)
	msg := &musterv1.ImportRosterRequest{ChannelId: ch.Msg.GetChannel().GetId(), CreateAccounts: true}
	for i := range n {
		msg.Lines = append(msg.Lines, &musterv1.ImportLine{Line: int64(i), Account: fmt.Sprintf("%s%d", prefix, i), Level: musterv1.Level_LEVEL_MEMBER})
	}
	if err := im.Send(msg); err != nil {
		return nil, 0, err
	}
	if r, err := im.CloseAndReceive(); err != nil || r.Msg.GetBad() > 0 {
		return nil, 0, errors.Join(err, fmt.Errorf("import: %d bad lines", r.Msg.GetBad()))
	}
	grp, err := s.owner.CreateGroup(ctx, connect.NewRequest(&musterv1.CreateGroupRequest{Name: "Crowd"}))
	if err != nil {
		return nil, 0, err
	}
	g = grp.Msg.GetGroup().GetId()
	e, err := s.owner.StartEnrolment(ctx, connect.NewRequest(&musterv1.StartEnrolmentRequest{
		GroupId: g, ChannelId: ch.Msg.GetChannel().GetId(),
		Policies: []*musterv1.LevelPolicy{{Level: musterv1.Level_LEVEL_MEMBER, Policy: musterv1.EnrolPolicy_ENROL_POLICY_DIRECT}},
	}))
	if err != nil {
		return nil, 0, err
	}
	watch, err := s.owner.WatchEnrolment(ctx, connect.NewRequest(&musterv1.WatchEnrolmentRequest{EnrolmentId: e.Msg.GetEnrolment().GetId()}))
	if err != nil {
		return nil, 0, err
	}
	for watch.Receive() {
	}
	if err := watch.Err(); err != nil {
		return nil, 0, err
	}
	tokens, err = s.sessions(ctx, prefix, n)
	return tokens, g, err
}

// sessions signs people in through the admin socket.
func (s *server) sessions(ctx context.Context, prefix string, n int) ([]string, error) {
	dir := s.dir
	for i, a := range s.cmd.Args {
		if a == "--dir" {
			dir = s.cmd.Args[i+1]
		}
	}
	admin := client.NewServices(client.UnixURL, "", client.UnixHTTP(app.AdminSocket(dir)))
	tokens := make([]string, n)
	for i := range n {
		r, err := admin.IssueSession(ctx, connect.NewRequest(&musterv1.IssueSessionRequest{Name: fmt.Sprintf("%s%d", prefix, i), Device: "bench"}))
		if err != nil {
			return nil, err
		}
		tokens[i] = r.Msg.GetToken()
	}
	return tokens, nil
}

// flood sends for a time with several messages under way on each connection.
func (s *server) flood(ctx context.Context, tokens []string, g int64, underWay int, d time.Duration) (l Latency, perSecond float64, pushed int64, err error) {
	text := strings.Repeat("x", 256)
	all := histogram()
	var mu sync.Mutex
	var failed error
	var heard atomic.Int64
	var wg, listeners sync.WaitGroup
	var lives []*client.Live
	for _, token := range tokens {
		live, err := client.Dial(ctx, client.Options{URL: s.url, Token: token})
		if err != nil {
			return l, 0, 0, err
		}
		lives = append(lives, live)
		listeners.Go(func() {
			for e := range live.Events() {
				if e.GetGroupMessage() != nil {
					heard.Add(1)
				}
			}
		})
	}
	begun := time.Now()
	for _, live := range lives {
		for range underWay {
			wg.Go(func() {
				h := histogram()
				var err error
				for err == nil && time.Since(begun) < d {
					at := time.Now()
					_, err = live.Send(ctx, &musterv1.SendRequest{GroupId: g, ClientMessageId: client.NewMessageID(), Text: text})
					record(h, time.Since(at))
				}
				mu.Lock()
				defer mu.Unlock()
				all.Merge(h)
				failed = errors.Join(failed, err)
			})
		}
	}
	wg.Wait()
	perSecond = float64(all.TotalCount()) / time.Since(begun).Seconds()
	for _, live := range lives {
		_ = live.Close()
	}
	listeners.Wait()
	return latencyOf(all), perSecond, heard.Load(), failed
}

// BackFigures are members who come back over sockets.
type BackFigures struct {
	Name    string  `json:"name"`
	Machine Machine `json:"machine"`
	Members int     `json:"members"`
	Missed  int     `json:"messages_missed_by_each"`
	// MS is from the first dial until the last member has its last message, of
	// each run; Dialled says whether the connections were made within it.
	MS         []float64 `json:"ms"`
	MedianMS   float64   `json:"median_ms"`
	Dialled    bool      `json:"handshakes_included"`
	JSON       bool      `json:"in_json"`
	RoundTrips int       `json:"sync_round_trips"`
	// ServerCPU is the server's processor time of each run, in seconds. A
	// refused connection would be an error of the whole measurement.
	ServerCPU []float64 `json:"server_cpu_seconds"`
}

// Back measures members who missed messages of one group and return at once.
func Back(ctx context.Context, p Place, members, missed, runs int, dialWithin, inJSON bool) (f BackFigures, err error) {
	// The members' side shares the processors with the server. Its garbage is
	// not what is measured.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	s, err := startServer(ctx, p)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	f = BackFigures{Name: "return over sockets", Machine: ThisMachine(), Members: members, Missed: missed, Dialled: dialWithin, JSON: inJSON}
	tokens, g, err := s.crowd(ctx, "b", members)
	if err != nil {
		return f, err
	}
	if err := s.say(ctx, g, missed); err != nil {
		return f, err
	}
	for range runs {
		before := s.cpu()
		ms, trips, err := s.comeBackAll(ctx, tokens, g, missed, dialWithin, inJSON)
		if err != nil {
			return f, err
		}
		f.MS, f.RoundTrips = append(f.MS, ms), max(f.RoundTrips, trips)
		f.ServerCPU = append(f.ServerCPU, (s.cpu() - before).Seconds())
	}
	f.MedianMS = median(f.MS)
	return f, nil
}

// say sends messages into a group as the owner.
func (s *server) say(ctx context.Context, g int64, n int) error {
	live, err := client.Dial(ctx, client.Options{URL: s.url, Token: s.token})
	if err != nil {
		return err
	}
	defer func() { _ = live.Close() }()
	go func() {
		for range live.Events() { //nolint:revive // they are thrown away
		}
	}()
	text := strings.Repeat("x", 256)
	var wg sync.WaitGroup
	failed := make([]error, 32)
	var next atomic.Int64
	for k := range failed {
		wg.Go(func() {
			for failed[k] == nil && next.Add(1) <= int64(n) {
				_, failed[k] = live.Send(ctx, &musterv1.SendRequest{GroupId: g, ClientMessageId: client.NewMessageID(), Text: text})
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}

// comeBackAll brings everybody back. The group's position is that before the
// missed messages, as a device would have it.
func (s *server) comeBackAll(ctx context.Context, tokens []string, g int64, missed int, dialWithin, inJSON bool) (ms float64, trips int, err error) {
	lives := make([]*client.Live, len(tokens))
	dial := func(i int) (err error) {
		lives[i], err = client.Dial(ctx, client.Options{URL: s.url, Token: tokens[i], JSON: inJSON})
		return err
	}
	if !dialWithin {
		if err := each(len(tokens), 16, dial); err != nil {
			return 0, 0, err
		}
	}
	var most atomic.Int64
	begun := time.Now()
	err = each(len(tokens), 200, func(i int) error {
		if dialWithin {
			if err := dial(i); err != nil {
				return err
			}
		}
		n, err := catchUp(ctx, lives[i], g, missed)
		for {
			if m := most.Load(); int64(n) <= m || most.CompareAndSwap(m, int64(n)) {
				return err
			}
		}
	})
	ms = time.Since(begun).Seconds() * 1000
	for _, l := range lives {
		if l != nil {
			_ = l.Close()
		}
	}
	return ms, int(most.Load()), err
}

// catchUp syncs one member and checks that nothing is missing.
func catchUp(ctx context.Context, l *client.Live, g int64, missed int) (trips int, err error) {
	// The first entry is "N people joined".
	at := int64(1)
	for {
		trips++
		r, err := l.Sync(ctx, &musterv1.SyncRequest{Positions: []*musterv1.SyncPosition{{GroupId: g, Seq: at}}})
		if err != nil {
			return trips, err
		}
		for _, m := range r.GetGroups()[0].GetMessages() {
			if at++; m.GetSeq() != at {
				return trips, fmt.Errorf("seq %d instead of %d", m.GetSeq(), at)
			}
		}
		if !r.GetMore() {
			break
		}
	}
	if at != int64(missed)+1 {
		return trips, fmt.Errorf("up to seq %d instead of %d", at, missed+1)
	}
	return trips, nil
}

// each calls fn(0) to fn(n-1), some at a time.
func each(n, atOnce int, fn func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make([]error, min(atOnce, n))
	for k := range failed {
		wg.Go(func() {
			for failed[k] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed[k] = fn(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(failed...)
}
