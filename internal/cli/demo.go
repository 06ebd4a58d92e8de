package cli

import (
	"cmp"
	"os"
	"path/filepath"

	"muster/internal/cli/demo"
	"muster/internal/cli/remote"
	"muster/internal/config"
)

type demoCmd struct {
	People int    `default:"10000" help:"People on the roster." placeholder:"N"`
	Data   string `help:"Data directory to keep it in; a temporary one unless given." placeholder:"DIR" type:"path"`
	Listen string `default:"127.0.0.1:0" help:"Address to listen on; 0 takes a free port." placeholder:"ADDR"`
	Keep   bool   `help:"Leave the server running at the end, with its people."`
}

// Run gives the demo.
func (c *demoCmd) Run(e *env) error {
	dir := c.Data
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "muster-demo-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // it was ours
	}
	cfg, err := config.Load(config.Options{Environ: e.environ, Foreign: foreign, Flags: map[string]string{
		"data": dir, "listen": c.Listen, "log.level": cmp.Or(remote.Variable(e.environ, "MUSTER_LOG_LEVEL"), "warn"),
	}})
	if err != nil {
		return remote.Usage("%v", err)
	}
	return demo.Run(e.ctx, demo.Options{
		Term: e.Term, Config: cfg, Log: newLog(e.Err, cfg.Log), People: c.People, Keep: c.Keep, Temporary: c.Data == "",
		AddressFile: filepath.Join(dir, remote.AddressName),
	})
}
