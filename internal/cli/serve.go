package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"muster/internal/app"
	"muster/internal/cli/remote"
	"muster/internal/config"
)

type serveCmd struct {
	settings `embed:""`
}

// Run serves until the context ends: the first signal lets everything under way
// come to its end, a second one ends the process at once.
func (c *serveCmd) Run(e *env) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	server, err := app.New(e.ctx, cfg, app.Options{Log: newLog(e.Err, cfg.Log)})
	if err != nil {
		return startFailure(err)
	}
	address := filepath.Join(cfg.Server.Data, remote.AddressName)
	if err := writeAddress(address, server.LocalURL()); err != nil {
		e.Tell("muster: warning: %v", "muster: 警告：%v", err)
	}
	e.announce(cfg, server)
	stopping := context.AfterFunc(e.ctx, func() {
		e.Tell("stopping: what is under way comes to its end; once more ends at once", "正在停止：进行中的请求会先完成；再按一次立即结束")
	})
	defer stopping()
	err = server.Run(e.ctx)
	_ = os.Remove(address) // nobody is there any more
	if err != nil {
		return err
	}
	e.Tell("stopped", "已停止")
	return nil
}

// announce tells where the server is, and the one-time link of its owner.
func (e *env) announce(cfg config.Config, server *app.Server) {
	database := "SQLite"
	if !cfg.Database.SQLite() {
		database = "PostgreSQL"
	}
	if e.Object(map[string]string{
		"version": app.Version, "url": server.URL(), "data": cfg.Server.Data, "database": database, "setupLink": server.SetupLink(),
	}) {
		return
	}
	e.Print("muster %s serves on %s", "muster %s 已启动：%s", app.Version, server.URL())
	e.Print("  data      %s (%s)", "  数据      %s（%s）", cfg.Server.Data, database)
	if link := server.SetupLink(); link != "" {
		e.Print("  There is no owner yet. Whoever opens this link first becomes the owner:", "  尚无所有者。首个打开此链接的人将成为所有者：")
		e.Print("  %s", "", link)
	}
}

// startFailure says what to do about a server that does not start.
func startFailure(err error) error {
	f := remote.Failed("%v", err)
	f.Cause, f.Advice = err, "`muster doctor` looks for the cause"
	return f
}

// writeAddress tells commands on this machine where the main port is.
func writeAddress(path, address string) error {
	return os.WriteFile(path, []byte(address+"\n"), 0o600)
}

// newLog makes the server's log as configured.
func newLog(w io.Writer, cfg config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // the configuration allows no other words
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
