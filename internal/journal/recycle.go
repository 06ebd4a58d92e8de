package journal

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Release says that the store holds every record up to and including upTo durably. Segments without a later record are
// kept as spares or removed; the segment that is being written stays. An upTo that was never appended is refused.
func (j *Journal) Release(upTo Position) error {
	j.releasing.Lock()
	defer j.releasing.Unlock()
	for {
		if err := j.Err(); err != nil {
			return err
		}
		oldest, spare, err := j.releasable(upTo)
		if err != nil || oldest == 0 {
			return err
		}
		// One at a time and oldest first, each synced: a crash must never leave a hole in the sequences, nor a
		// segment under its old name whose file has been used again.
		if spare != "" {
			err = j.disk.rename(segmentName(oldest), spare)
		} else {
			err = j.disk.remove(segmentName(oldest))
		}
		if err != nil {
			return fmt.Errorf("journal: release segment %016x: %w", oldest, err)
		}
		if err := j.disk.sync(); err != nil {
			return j.poison(err)
		}
		j.mu.Lock()
		j.segments = append(j.segments[:0], j.segments[1:]...)
		if spare != "" {
			j.spares = append(j.spares, spare)
		}
		j.mu.Unlock()
	}
}

// releasable returns the sequence of the oldest segment if nothing in it is needed any more, else 0, and under which
// name to keep its file, if at all.
func (j *Journal) releasable(upTo Position) (oldest uint64, spare string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if upTo > j.last {
		return 0, "", fmt.Errorf("journal: release up to position %d, but the last one is %d", upTo, j.last)
	}
	s := &j.segments[0]
	if len(j.segments) == 1 || s.last > upTo {
		return 0, "", nil
	}
	if s.size == j.opt.SegmentBytes && len(j.spares) < j.opt.Spares {
		spare = j.nextSpareName()
	}
	return s.sequence, spare, nil
}

// nextSpareName returns a name that no spare of this journal has had since it was opened. Called with mu held.
func (j *Journal) nextSpareName() string {
	j.spareStem++
	return spareName(j.spareStem)
}

// rotate begins the next segment, in a spare if there is one, and closes the one before.
func (j *Journal) rotate() error {
	spare, err := j.takeSpare()
	if err != nil {
		return j.rotationFailed(err)
	}
	j.mu.Lock()
	h := segmentHeader{sequence: 1, salt: newSalt(), first: j.next, previous: j.last, capacity: j.opt.SegmentBytes}
	if n := len(j.segments); n > 0 {
		h.sequence = j.segments[n-1].sequence + 1
	}
	j.mu.Unlock()
	f, err := j.begin(spare, h)
	if err != nil {
		return j.rotationFailed(err)
	}
	old := j.active
	j.active, j.header, j.end = f, h, segmentHeaderBytes
	j.mu.Lock()
	s := segment{segmentHeader: h, size: h.capacity}
	s.last = h.previous
	j.segments = append(j.segments, s)
	j.mu.Unlock()
	if old != nil {
		_ = old.Close() // all of it is synced
	}
	return nil
}

// rotationFailed lets a later Append try again when the machine only lacks something for the moment: nothing of the
// batch has been written, and the file that was to become the segment is given up. Anything else is the disk failing,
// and poisons the journal.
func (j *Journal) rotationFailed(err error) error {
	for _, lack := range []error{unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE} {
		if errors.Is(err, lack) {
			return fmt.Errorf("journal: no room for the next segment: %w", err)
		}
	}
	return j.poison(err)
}

// begin writes the header into the spare, makes it durable, and only then gives the file its place in the sequence.
func (j *Journal) begin(spare string, h segmentHeader) (file, error) {
	f, err := j.disk.open(spare)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(h.encode(), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = j.disk.rename(spare, segmentName(h.sequence))
	}
	if err != nil {
		_ = j.disk.remove(spare)
		return nil, errors.Join(err, f.Close())
	}
	if err := j.disk.sync(); err != nil {
		// Whether the new name is durable cannot be found out by another sync.
		return nil, errors.Join(j.poison(err), f.Close())
	}
	return f, nil
}

// takeSpare returns the name of a file of zero or stale bytes and the right size: a spare, the one that is being made,
// or a new one.
func (j *Journal) takeSpare() (string, error) {
	j.mu.Lock()
	for len(j.spares) == 0 && j.making != nil {
		making := j.making
		j.mu.Unlock()
		<-making
		j.mu.Lock()
	}
	if n := len(j.spares); n > 0 {
		name := j.spares[n-1]
		j.spares = j.spares[:n-1]
		j.mu.Unlock()
		return name, nil
	}
	name := j.nextSpareName()
	j.mu.Unlock()
	return name, j.makeSpare(name)
}

// prepareSpare starts to make a spare when the active segment is half full and there is none, so that no Append waits
// for the zeros. Called with mu held.
func (j *Journal) prepareSpare() {
	if j.end < j.header.capacity/2 || len(j.spares) > 0 || j.making != nil {
		return
	}
	name, done := j.nextSpareName(), make(chan struct{})
	j.making = done
	j.makers.Go(func() {
		err := j.makeSpare(name)
		j.mu.Lock()
		defer j.mu.Unlock()
		if err == nil {
			j.spares = append(j.spares, name)
		}
		// An error is not reported here: the Append that needs the spare tries again and gets its own.
		j.making = nil
		close(done)
	})
}

var zeros [64 << 10]byte

// makeSpare fills a new file with zeros, durably.
func (j *Journal) makeSpare(name string) error {
	temporary := strings.TrimSuffix(name, spareSuffix) + temporarySuffix
	f, err := j.disk.create(temporary)
	if err != nil {
		return err
	}
	err = f.Allocate(j.opt.SegmentBytes)
	for off := int64(0); off < j.opt.SegmentBytes && err == nil; off += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), j.opt.SegmentBytes-off)], off)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = j.disk.rename(temporary, name)
	}
	if err != nil {
		_ = j.disk.remove(temporary)
	}
	return err
}
