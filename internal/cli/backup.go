package cli

import (
	"io"
	"time"

	"connectrpc.com/connect"

	musterv1 "muster/gen/muster/v1"
	"muster/internal/cli/remote"
	"muster/internal/cli/term"
)

type backupCmd struct {
	Where
	File string `arg:"" help:"File to write, - for standard output."`
}

// Run streams a backup into a file.
func (c *backupCmd) Run(e *env) error {
	return e.with(c.Where, func(r *remote.Remote) error {
		began := time.Now()
		size := int64(0)
		err := e.writeFile(c.File, func(w io.Writer) error {
			progress := e.Progress(e.Lang.Of("backing up", "备份"), 0, term.Bytes)
			defer progress.Finish()
			stream, err := r.Admin.Backup(e.ctx, connect.NewRequest(&musterv1.BackupRequest{}))
			if err != nil {
				return err
			}
			defer func() { _ = stream.Close() }() // it has ended, or nobody reads on
			for stream.Receive() {
				n, err := w.Write(stream.Msg().GetData())
				if err != nil {
					return err
				}
				size += int64(n)
				progress.Set(size, 0)
			}
			return stream.Err()
		})
		if err != nil {
			return err
		}
		if e.Object(map[string]any{"file": c.File, "bytes": size}) {
			return nil
		}
		if c.File != "-" {
			e.Print("%s: %s in %s", "%s：%s，用时 %s", c.File, term.Size(size), term.Took(time.Since(began)))
		}
		return nil
	})
}
