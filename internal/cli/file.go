package cli

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"muster/internal/cli/remote"
)

// writeFile writes a file whole or not at all, readable by its owner only; "-"
// is standard output.
func (e *env) writeFile(name string, write func(w io.Writer) error) error {
	if name == "-" {
		out := bufio.NewWriterSize(e.Out, 64<<10)
		return errors.Join(write(out), out.Flush())
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // 0600 from the start
	if err != nil {
		return remote.Failed("cannot write %s: %v", name, err)
	}
	out := bufio.NewWriterSize(f, 256<<10)
	if err = write(out); err == nil {
		err = errors.Join(out.Flush(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDirectory(filepath.Dir(name))
}

// syncDirectory makes a new name durable.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
