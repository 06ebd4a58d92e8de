package cli

import (
	"io"
	"os"
	"time"

	"muster/internal/cli/remote"
	"muster/internal/cli/term"
	"muster/internal/store"
)

type restoreCmd struct {
	File string `arg:"" help:"Backup to restore, - for standard input."`
	Data string `required:"" help:"Data directory to make; it must not hold data yet." placeholder:"DIR" type:"path"`
}

// Run makes a data directory.
func (c *restoreCmd) Run(e *env) error {
	file, total, err := e.openInput(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	if _, err := os.Stat(c.Data + "/" + remote.SocketName); err == nil {
		return remote.Failed("a server runs on %s: restore into another directory", c.Data)
	}
	began := time.Now()
	progress := e.Progress(e.Lang.Of("restoring", "恢复"), total, term.Bytes)
	defer progress.Finish()
	if err := store.Restore(e.ctx, io.Reader(&countedReader{r: file, progress: progress, total: total}), c.Data); err != nil {
		f := remote.Failed("%v", err)
		f.Cause, f.Advice = err, e.Lang.Of("nothing was put in the place of anything else", "未覆盖任何已有数据")
		return f
	}
	progress.Set(total, total) // what follows the last file in an archive may be left unread
	progress.Finish()
	if e.Object(map[string]any{"data": c.Data}) {
		return nil
	}
	e.Print("%s was restored in %s; start it with: muster serve --data %s", "%s 已恢复，用时 %s；启动：muster serve --data %s", c.Data, term.Took(time.Since(began)), c.Data)
	return nil
}
