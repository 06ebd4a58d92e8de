package cli

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/doctor"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/client"
	"muster/internal/config"
)

type doctorCmd struct {
	settings    `embed:""`
	Connections int    `help:"For how many live connections the machine should be fit." default:"10000" placeholder:"N"`
	Patience    string `help:"How long the check of one database may take." default:"60s" placeholder:"DURATION"`
}

// Run looks at everything and fails if one check did.
func (c *doctorCmd) Run(e *env) error {
	patience, err := config.ParseDuration(c.Patience)
	if err != nil {
		return remote.Usage("--patience: %v", err)
	}
	cfg, err := c.load(e)
	if err != nil {
		for line := range strings.Lines(remote.Explain(err, e.Lang).Message) {
			e.result(doctor.Result{Check: "configuration", Status: doctor.Fail, Detail: strings.TrimSpace(line), Advice: "muster config reference explains every setting"})
		}
		return remote.Failed("%s", e.Lang.Of("the configuration is wrong; nothing else was looked at", "配置有误，未检查其他项目"))
	}
	source := cfg.File()
	if source == "" {
		source = e.Lang.Of("no file", "无文件")
	}
	e.result(doctor.Result{Check: "configuration", Status: doctor.OK, Detail: source})
	failed := 0
	for r := range doctor.Examine(e.ctx, doctor.Options{
		Config: cfg, Running: running(e.ctx, cfg.Server.Data), Connections: c.Connections, Patience: patience, Now: time.Now,
	}) {
		e.result(r)
		if r.Status == doctor.Fail {
			failed++
		}
	}
	if failed > 0 {
		return remote.Failed(e.Lang.Of("%d checks failed", "%d 项检查未通过"), failed)
	}
	return nil
}

// result prints what one check found.
func (e *env) result(r doctor.Result) {
	if e.Object(r) {
		return
	}
	style := map[doctor.Status]string{doctor.OK: term.Green, doctor.Warn: term.Yellow, doctor.Fail: term.Red, doctor.Skip: term.Dim}[r.Status]
	e.Print("%s  %-26s %s", "", e.Paint(style, string(r.Status)+strings.Repeat(" ", 4-len(r.Status))), r.Check, term.Clean(r.Detail))
	if r.Advice != "" {
		e.Print("      → %s", "", r.Advice)
	}
}

// running asks the server that runs on a data directory, nil if none does.
func running(ctx context.Context, dir string) *doctor.Running {
	path := filepath.Join(dir, remote.SocketName)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	r := remote.Socket(path, remote.Options{})
	defer r.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := r.Admin.GetStatistics(ctx, connect.NewRequest(&musterv1.GetStatisticsRequest{}))
	if err != nil {
		return nil // a socket that a killed server left
	}
	found := &doctor.Running{Version: answer.Msg.GetVersion()}
	if found.URL, err = r.Address(); err != nil {
		found.URL = "an address that is not known here"
	}
	found.Ready = ready(ctx, client.UnixHTTP(path))
	return found
}

// ready asks /readyz; nil is ready.
func ready(ctx context.Context, hc *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, client.UnixURL+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := hc.Do(request)
	if err != nil {
		return err
	}
	defer hc.CloseIdleConnections()
	defer func() { _ = answer.Body.Close() }() // its status says everything
	if answer.StatusCode != http.StatusOK {
		return remote.Failed("%s", answer.Status)
	}
	return nil
}
