package journal

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Release says that the store holds every record up to and including upTo durably. Segments without a later record are kept as
// spares or removed; the segment that is being written stays. An upTo that was never appended is refused.
func (j *Journal) Release(upTo Position) error {
	j.releasing.Lock()
	defer j.releasing.Unlock()
	for {
		if err := j.Err(); err != nil {
			return err
		}
		oldest, keep, err := j.releasable(upTo)
		if err != nil || oldest == 0 {
			return err
		}
		// One at a time and oldest first, each synced: a crash must never leave a hole in the sequences, nor a
		// segment under its old name whose file has been used again.
		if keep {
			err = j.disk.rename(segmentName(oldest), spareName(oldest))
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
		if keep {
			j.spares = append(j.spares, spareName(oldest))
		}
		j.mu.Unlock()
	}
}

// releasable returns the sequence of the oldest segment if nothing in it is needed any more, else 0, and whether to keep its file.
func (j *Journal) releasable(upTo Position) (oldest uint64, keep bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if upTo > j.last {
		return 0, false, fmt.Errorf("journal: release up to position %d, but the last one is %d", upTo, j.last)
	}
	s := &j.segments[0]
	if len(j.segments) == 1 || s.last > upTo {
		return 0, false, nil
	}
	return s.sequence, s.size == j.opt.SegmentBytes && len(j.spares) < j.opt.Spares, nil
}

// rotate begins the next segment, in a spare if there is one, and closes the one before. A full disk is an error that leaves all as it
// was; any other one poisons the journal.
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
	j.active, j.end = f, segmentHeaderBytes
	j.mu.Lock()
	j.sequence = max(j.sequence, h.sequence)
	s := segment{segmentHeader: h, size: h.capacity}
	s.last = h.previous
	j.segments = append(j.segments, s)
	j.mu.Unlock()
	if old != nil {
		_ = old.Close() // all of it is synced
	}
	return nil
}

func (j *Journal) rotationFailed(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("journal: no room for the next segment: %w", err)
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
	if err == nil {
		err = j.disk.sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// takeSpare returns the name of a file of zero or stale bytes and the right size: a spare, the one that is being made, or a new one.
func (j *Journal) takeSpare() (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.spares) == 0 && j.making != nil {
		making := j.making
		j.mu.Unlock()
		<-making
		j.mu.Lock()
	}
	if n := len(j.spares); n > 0 {
		name := j.spares[n-1]
		j.spares = j.spares[:n-1]
		return name, nil
	}
	j.sequence++
	sequence := j.sequence
	j.mu.Unlock()
	defer j.mu.Lock()
	return spareName(sequence), j.makeSpare(sequence)
}

// prepareSpare starts to make a spare when the active segment is half full and there is none, so that no Append waits for the zeros. Called with mu held.
func (j *Journal) prepareSpare() {
	if j.end < j.capacity()/2 || len(j.spares) > 0 || j.making != nil {
		return
	}
	j.sequence++
	sequence, done := j.sequence, make(chan struct{})
	j.making = done
	j.makers.Go(func() {
		err := j.makeSpare(sequence)
		j.mu.Lock()
		defer j.mu.Unlock()
		if err == nil {
			j.spares = append(j.spares, spareName(sequence))
		}
		// An error is not reported here: the Append that needs the spare tries again and gets its own.
		j.making = nil
		close(done)
	})
}

var zeros [64 << 10]byte

// makeSpare fills a new file with zeros, durably.
func (j *Journal) makeSpare(sequence uint64) error {
	temporary := fmt.Sprintf("%016x%s", sequence, temporarySuffix)
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
		err = j.disk.rename(temporary, spareName(sequence))
	}
	if err != nil {
		_ = j.disk.remove(temporary)
	}
	return err
}
