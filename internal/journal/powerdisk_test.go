package journal

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// powerDisk is a directory in memory that knows what is durable: names since the last sync of the directory, 512-byte
// sectors since the last sync of the file. At the operation cutAt the process dies; after that, crash says what a machine
// that lost power might find when it starts again: any subset of the sectors and of the renames that were not synced.
type powerDisk struct {
	mu      sync.Mutex
	names   map[string]*inode
	durable map[string]*inode
	pending []directoryChange
	count   int
	cutAt   int // 0: never
	off     bool
	// cleans makes a sync that is cut mark the pages clean all the same, as Linux does after a failed write-back.
	cleans bool
}

type inode struct {
	live, durable []byte
	dirty         map[int64]struct{}
}

type directoryChange struct {
	from, to string // from "": created; to "": removed
	node     *inode
}

var errPower = errors.New("power failed")

const sectorBytes = 512

func newPowerDisk() *powerDisk {
	return &powerDisk{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// restart goes on with what the process that died left in the page cache: kill -9, not a power cut.
func (d *powerDisk) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.count, d.cutAt = false, 0, 0
}

// step counts an operation. An error is returned after the operation has been done without being durable.
func (d *powerDisk) step() error {
	d.count++
	if d.count == d.cutAt {
		d.off = true
	}
	if d.off {
		return errPower
	}
	return nil
}

// crash returns the disk as it might be found, with everything on it durable.
func (d *powerDisk) crash(r *rand.Rand) *powerDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	survive := []float64{0, .1, .5, .9, 1}[r.IntN(5)]
	names := maps.Clone(d.durable)
	for _, c := range d.pending {
		if r.Float64() >= survive {
			continue
		}
		switch {
		case c.from == "":
			names[c.to] = c.node
		case names[c.from] != c.node:
		case c.to == "":
			delete(names, c.from)
		default:
			delete(names, c.from)
			names[c.to] = c.node
		}
	}
	after := newPowerDisk()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		b := names[name].crash(r, survive)
		after.names[name] = &inode{live: b, durable: slices.Clone(b), dirty: map[int64]struct{}{}}
	}
	after.durable = maps.Clone(after.names)
	return after
}

func (n *inode) crash(r *rand.Rand, survive float64) []byte {
	b := slices.Clone(n.durable)
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		if r.Float64() >= survive {
			continue
		}
		from, to := s*sectorBytes, min((s+1)*sectorBytes, int64(len(n.live)))
		if grow := to - int64(len(b)); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
		copy(b[from:to], n.live[from:to])
	}
	return b
}

func (d *powerDisk) path(name string) string { return name }

func (d *powerDisk) close() error { return nil }

func (d *powerDisk) list() ([]dirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, errPower
	}
	var out []dirEntry
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		out = append(out, dirEntry{name: name, size: int64(len(d.names[name].live))})
	}
	return out, nil
}

func (d *powerDisk) create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, errPower
	}
	n := &inode{dirty: map[int64]struct{}{}}
	d.names[name] = n
	d.pending = append(d.pending, directoryChange{to: name, node: n})
	return &powerFile{disk: d, node: n}, d.step()
}

func (d *powerDisk) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	switch {
	case d.off:
		return nil, errPower
	case n == nil:
		return nil, fs.ErrNotExist
	}
	return &powerFile{disk: d, node: n}, nil
}

func (d *powerDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[from]
	switch {
	case d.off:
		return errPower
	case n == nil:
		return fs.ErrNotExist
	}
	delete(d.names, from)
	d.names[to] = n
	d.pending = append(d.pending, directoryChange{from: from, to: to, node: n})
	return d.step()
}

func (d *powerDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	switch {
	case d.off:
		return errPower
	case n == nil:
		return fs.ErrNotExist
	}
	delete(d.names, name)
	d.pending = append(d.pending, directoryChange{from: name, node: n})
	return d.step()
}

func (d *powerDisk) sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.durable, d.pending = maps.Clone(d.names), nil
	return nil
}

type powerFile struct {
	disk *powerDisk
	node *inode
}

func (f *powerFile) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, errPower
	}
	if off >= int64(len(f.node.live)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.live[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *powerFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.off {
		return 0, errPower
	}
	err := f.disk.step()
	if err != nil && f.disk.cleans {
		b = b[:len(b)/2] // killed in the middle of it
	}
	end := off + int64(len(b))
	if grow := end - int64(len(f.node.live)); grow > 0 {
		f.node.live = append(f.node.live, make([]byte, grow)...)
	}
	copy(f.node.live[off:], b)
	for s := off / sectorBytes; s*sectorBytes < end; s++ {
		f.node.dirty[s] = struct{}{}
	}
	return len(b), err
}

func (f *powerFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.node.live)), nil
}

func (f *powerFile) Allocate(int64) error { return nil }

func (f *powerFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := f.node
	if err := f.disk.step(); err != nil {
		if f.disk.cleans {
			clear(n.dirty)
		}
		return err
	}
	if grow := len(n.live) - len(n.durable); grow > 0 {
		n.durable = append(n.durable, make([]byte, grow)...)
	}
	for s := range n.dirty {
		from, to := s*sectorBytes, min((s+1)*sectorBytes, int64(len(n.live)))
		copy(n.durable[from:to], n.live[from:to])
	}
	clear(n.dirty)
	return nil
}

func (f *powerFile) Close() error { return nil }
