// Package demo shows a newcomer what Muster is for, on a real server with real
// clients: a channel with a large roster, people who are connected and people who
// are not, an enrolment that adds some and asks others, and a message that
// reaches everybody, now or on return.
//
// It computes beside the server what ought to come out, and fails with the
// differences when anything else does.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/app"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/config"
)

// MinPeople is the least cast that has everybody in it.
const MinPeople = 200

// ownerName is the name of the demo's owner.
const ownerName = "demo"

// Options say how large the demo is.
type Options struct {
	// Term is where it tells.
	Term *term.Term
	// Config is the server's. Its data directory must not hold data.
	Config config.Config
	// Log is the server's.
	Log *slog.Logger
	// People is how many are on the roster, MinPeople at least.
	People int
	// Keep leaves the server running until the context ends.
	Keep bool
	// AddressFile is where other commands look for the server's address.
	AddressFile string
	// Temporary says that the data directory goes away at the end.
	Temporary bool
}

// show is a demo under way.
type show struct {
	Options
	checks
	cast  cast
	plan  plan
	began time.Time

	server   *app.Server
	admin    *remote.Remote // the admin socket: signs people in
	owner    *remote.Remote
	password string
	token    string
	channel  int64
	group    int64
	before   int64 // the group's newest message when the enrolment began
	crowd    *crowd
}

// Run gives the demo. The error holds the differences if there are any.
func Run(ctx context.Context, opt Options) error {
	if opt.People < MinPeople {
		return remote.Usage("the demo needs at least %d people", MinPeople)
	}
	s := &show{Options: opt, cast: cast{opt.People}, began: time.Now()}
	s.plan = s.cast.plan()
	var err error
	if s.server, err = app.New(ctx, opt.Config, app.Options{Log: opt.Log}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	serving, servingCtx := errgroup.WithContext(ctx)
	serving.Go(func() error { return s.server.Run(servingCtx) })
	serving.Go(func() error {
		defer cancel() // the server's work is over with the show
		return s.perform(servingCtx)
	})
	err = serving.Wait()
	if errors.Is(err, context.Canceled) && opt.Keep {
		return nil // the way to end it
	}
	return err
}

// perform goes through the steps.
func (s *show) perform(ctx context.Context) error {
	defer s.leave()
	s.tell("Muster demo: a live channel of %s people is brought into a durable group.\n", "Muster 演示：把一个 %s 人的实时频道导入持久群组。\n", term.Number(s.People))
	for _, step := range []func(context.Context) error{
		s.start, s.fillChannel, s.makeGroup, s.makeWishes, s.connect, s.talk, s.preview, s.enrol, s.answers, s.message, s.comeBack,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.crowd.failure(); err != nil {
		return err
	}
	if err := s.verdict(); err != nil || !s.Keep {
		return err
	}
	return s.keep(ctx)
}

// leave disconnects everybody.
func (s *show) leave() {
	if s.crowd != nil {
		s.crowd.close()
	}
	for _, r := range []*remote.Remote{s.owner, s.admin} {
		if r != nil {
			r.Close()
		}
	}
	if s.AddressFile != "" {
		_ = os.Remove(s.AddressFile) // nobody is there any more
	}
}

// tell prints a line.
func (s *show) tell(en, zh string, args ...any) { s.Term.Print(en, zh, args...) }

// step prints the first line of a step.
func (s *show) step(number int, en, zh, text string) {
	s.tell("%s", "", fmt.Sprintf("%2d  %s %s", number, s.Term.Paint(term.Bold, pad(s.Term.Lang.Of(en, zh), 10)), text))
}

// more prints a further line of a step.
func (s *show) more(en, zh string, args ...any) {
	s.tell("               "+en, "               "+zh, args...)
}

// text chooses and fills a text.
func (s *show) text(en, zh string, args ...any) string {
	return fmt.Sprintf(s.Term.Lang.Of(en, zh), args...)
}

// pad fills a word up; Chinese characters take two columns.
func pad(word string, width int) string {
	columns := 0
	for _, r := range word {
		if columns++; r > 0x2e80 {
			columns++
		}
	}
	return word + strings.Repeat(" ", max(width-columns, 0))
}

// start waits for the server and takes it over as its owner.
func (s *show) start(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	took := time.Since(s.began)
	link, err := url.Parse(s.server.SetupLink())
	if err != nil || link.Fragment == "" {
		return remote.Usage("%s holds a server that has an owner already: give the demo an empty directory", s.Config.Server.Data)
	}
	if s.AddressFile != "" {
		if err := os.WriteFile(s.AddressFile, []byte(s.server.LocalURL()+"\n"), 0o600); err != nil {
			return err
		}
	}
	s.admin = remote.Socket(app.AdminSocket(s.Config.Server.Data), remote.Options{})
	s.password = strings.ToLower(rand.Text()[:16])
	stranger := remote.At(s.server.LocalURL(), "")
	defer stranger.Close()
	registered, err := stranger.Accounts.Register(ctx, connect.NewRequest(&musterv1.RegisterRequest{
		Name: ownerName, Nickname: "Demo", Password: s.password, SetupToken: link.Fragment, Device: "demo",
	}))
	if err != nil {
		return err
	}
	s.token = registered.Msg.GetToken()
	s.owner = remote.At(s.server.LocalURL(), s.token)
	database := "SQLite"
	if !s.Config.Database.SQLite() {
		database = "PostgreSQL"
	}
	s.step(1, "server", "服务器", s.text("%s, ready in %s, %s in %s", "%s，%s 后就绪，%s，数据在 %s", s.server.URL(), term.Took(took), database, s.Config.Server.Data))
	return nil
}

// ready waits until the server takes requests.
func (s *show) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.LocalURL()+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close() // its status says everything
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w", errors.Join(err, ctx.Err()))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// verdict prints what the checks found.
func (s *show) verdict() error {
	made, differences := s.result()
	took := term.Took(time.Since(s.began))
	if s.Term.Object(map[string]any{
		"people": s.People, "checks": made, "differences": append([]string{}, differences...), "seconds": time.Since(s.began).Seconds(), "url": s.server.URL(),
	}) && len(differences) == 0 {
		return nil
	}
	if len(differences) == 0 {
		s.step(12, "check", "核对", s.Term.Paint(term.Green, s.text("%d numbers were compared with what was expected: all are right (%s in all)", "核对 %d 个数字，全部正确（共用时 %s）", made, took)))
		return nil
	}
	return remote.Failed("%d of %d numbers are not what was expected:\n  %s", len(differences), made, strings.Join(differences, "\n  "))
}

// keep tells how to look around, and stays.
func (s *show) keep(ctx context.Context) error {
	s.tell("\nThe server goes on at %s. Look around from another terminal:", "\n服务器继续运行：%s。可在另一个终端查看：", s.server.URL())
	s.tell("  export MUSTER_SERVER_DATA=%s", "", s.Config.Server.Data)
	s.tell("  muster channel roster %q --level admin     muster group show %q", "", channelName, groupName)
	s.tell("  muster tail %q                        muster send %q hello", "", groupName, groupName)
	s.tell("or sign in as its owner: muster login %s %s   (password %s)", "或以所有者登录：muster login %s %s  （密码 %s）", s.server.URL(), ownerName, s.password)
	if s.Temporary {
		s.tell("Ctrl-C ends it; nothing is kept.", "按 Ctrl-C 结束；不保留任何数据。")
	} else {
		s.tell("Ctrl-C ends it; muster serve --data %s goes on with it.", "按 Ctrl-C 结束；之后可用 muster serve --data %s 继续。", s.Config.Server.Data)
	}
	<-ctx.Done()
	return nil
}
