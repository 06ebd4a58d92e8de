package journal

import (
	"errors"
	"fmt"
	"sync"
)

// Options of Open.
type Options struct {
	// Dir holds the journal's files and nothing else; it is made if it is missing. It should be on the disk of the store.
	Dir string
	// SegmentBytes is the size of a segment file, 16 MiB if 0, at least 64 KiB. A batch must fit into a segment: below
	// 9 MiB that makes the limit of a batch smaller than MaxBatchBytes. It may change from one Open to the next.
	SegmentBytes int64
	// Spares is how many released segments are kept for reuse, 2 if 0.
	Spares int
	// Applied is the last position that the store behind the journal holds durably, 0 if that is not known. Records up
	// to it are not replayed, new positions are after it, and a journal that does not continue it is refused
	// (ErrBehind).
	Applied Position
}

const (
	defaultSegmentBytes = 16 << 20
	minSegmentBytes     = 64 << 10
	maxSegmentBytes     = 1 << 30
	defaultSpares       = 2
)

func (opt Options) withDefaults() (Options, error) {
	if opt.SegmentBytes == 0 {
		opt.SegmentBytes = defaultSegmentBytes
	}
	if opt.Spares == 0 {
		opt.Spares = defaultSpares
	}
	if opt.SegmentBytes < minSegmentBytes || opt.SegmentBytes > maxSegmentBytes || opt.SegmentBytes%segmentHeaderBytes != 0 {
		return opt, fmt.Errorf("journal: a segment of %d bytes: must be a multiple of %d from %d to %d", opt.SegmentBytes, segmentHeaderBytes, minSegmentBytes, maxSegmentBytes)
	}
	if opt.Spares < 0 {
		return opt, fmt.Errorf("journal: %d spares", opt.Spares)
	}
	return opt, nil
}

// Stats are figures of a journal, for metrics and for the log line after Open.
type Stats struct {
	Last      Position // of the last durable record
	Released  Position // every record up to here is gone from the journal; the next Open replays from after it
	Segments  int      // that hold records or take the next ones
	Spares    int
	Bytes     int64 // of all segments and spares on the disk
	Replayed  int64 // records that Open replayed
	TornBytes int64 // that Open dropped: a batch that was being written when the process or the machine died
}

// Journal is an open journal. Append is called by one goroutine, Release by one (the same or another).
type Journal struct {
	disk disk
	opt  Options

	// appending holds everything that only Append and Close touch. Lock order: appending, releasing, mu.
	appending sync.Mutex
	active    file
	header    segmentHeader // of the active segment
	end       int64         // where its frames end
	next      Position
	buf       []byte

	releasing sync.Mutex

	mu        sync.Mutex
	segments  []segment // the last one is active
	spares    []string
	spareStem uint64 // the highest number that the name of a spare had; a name is never used twice
	making    chan struct{}
	last      Position
	failure   error
	closed    bool
	replayed  int64
	torn      int64

	makers sync.WaitGroup // the goroutine that makes the next spare, at most one; Close waits for it
}

// Open takes the directory's lock, checks the whole journal, and calls replay for every record after opt.Applied, in
// order. The bytes of a record are valid during the call only. An error of replay ends Open and is wrapped in the one
// that it returns. Further errors: ErrLocked, ErrBehind, CorruptionError.
func Open(opt Options, replay func(pos Position, record []byte) error) (*Journal, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := openDisk(opt.Dir)
	if err != nil {
		return nil, err
	}
	j, err := open(d, opt, replay)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return j, nil
}

func open(d disk, opt Options, replay func(Position, []byte) error) (*Journal, error) {
	inv, err := takeInventory(d, opt)
	if err != nil {
		return nil, err
	}
	if err := inv.verify(d); err != nil {
		return nil, err
	}
	j := &Journal{disk: d, opt: opt, segments: inv.segments, spares: inv.spares, spareStem: inv.spareStem}
	for _, name := range inv.sweep {
		if err := d.remove(name); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
	}
	if err := j.settle(); err != nil {
		return nil, err
	}
	for i := range j.segments {
		n, err := j.segments[i].replay(d, opt.Applied, replay)
		j.replayed += n
		if err != nil {
			return nil, errors.Join(err, j.active.Close())
		}
	}
	return j, nil
}

// settle makes what recovery found durable and opens the segment that the next batch goes to.
func (j *Journal) settle() error {
	if err := j.disk.sync(); err != nil {
		return fmt.Errorf("journal: sync the directory: %w", err)
	}
	if len(j.segments) == 0 {
		j.last, j.next = j.opt.Applied, j.opt.Applied+1
		return j.rotate()
	}
	final := &j.segments[len(j.segments)-1]
	j.last = final.last
	if applied := j.opt.Applied; applied != 0 {
		if oldest := j.segments[0].previous; applied < oldest {
			return fmt.Errorf("%w: the store ends at position %d, but the journal's records up to %d were released: the store is older than the journal; "+
				"restore the newer store, or move the journal directory away and lose what is only there", ErrBehind, applied, oldest)
		}
		if applied > j.last {
			return fmt.Errorf("%w: the store has applied position %d, but the journal ends at %d: it lost records or belongs to another store; "+
				"restore the right one, or move the journal directory away to go on without it", ErrBehind, applied, j.last)
		}
	}
	if err := final.secure(j.disk); err != nil {
		return fmt.Errorf("journal: write the last batch again: %w", err)
	}
	if final.unclean {
		j.torn = final.torn
		// Beyond whatever the torn batch may have used, and beyond what an earlier torn tail made this segment begin
		// with.
		j.next = max(final.last, final.first) + MaxBatchRecords + 1
		return j.rotate()
	}
	f, err := j.disk.open(segmentName(final.sequence))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.active, j.header, j.end, j.next = f, final.segmentHeader, final.end, max(final.last+1, final.first)
	return nil
}

// Append writes the records as one batch and returns the position of the last one when all of them are durable; they
// have consecutive positions that end there. The slices may be reused after the return. An error means that nothing is
// acknowledged: ErrTooLarge and a lack of room or of file descriptors leave the journal usable, every other write error
// poisons it (ErrPoisoned), see [Journal.Err].
func (j *Journal) Append(records [][]byte) (last Position, err error) {
	j.appending.Lock()
	defer j.appending.Unlock()
	if err := j.Err(); err != nil {
		return 0, err
	}
	if len(records) == 0 {
		return j.last, nil
	}
	size, err := j.batchSize(records)
	if err != nil {
		return 0, err
	}
	if j.end+int64(size) > j.header.capacity {
		if err := j.rotate(); err != nil {
			return 0, err
		}
	}
	if err := j.write(records); err != nil {
		return 0, j.poison(err)
	}
	last = j.next + Position(len(records)) - 1
	j.end += int64(size)
	j.next = last + 1
	j.mu.Lock()
	j.last = last
	j.segments[len(j.segments)-1].last = last
	j.prepareSpare()
	j.mu.Unlock()
	return last, nil
}

// batchSize checks the limits and returns what the batch takes in a segment.
func (j *Journal) batchSize(records [][]byte) (int, error) {
	if len(records) > MaxBatchRecords {
		return 0, fmt.Errorf("%w: %d records in a batch, at most %d", ErrTooLarge, len(records), MaxBatchRecords)
	}
	sum := 0
	for _, r := range records {
		if len(r) > MaxRecordBytes {
			return 0, fmt.Errorf("%w: a record of %d bytes, at most %d", ErrTooLarge, len(r), MaxRecordBytes)
		}
		sum += len(r)
	}
	size := frameSize(len(records), sum)
	if sum > MaxBatchBytes || int64(size) > j.opt.SegmentBytes-segmentHeaderBytes {
		return 0, fmt.Errorf("%w: a batch of %d bytes, at most %d and what fits into a segment of %d", ErrTooLarge, sum, MaxBatchBytes, j.opt.SegmentBytes)
	}
	return size, nil
}

// write puts the batch and the end mark behind it on the disk.
func (j *Journal) write(records [][]byte) error {
	j.buf = appendFrame(j.buf[:0], j.header.salt, j.next, records)
	if j.end+int64(len(j.buf))+endMarkBytes <= j.header.capacity {
		j.buf = append(j.buf, make([]byte, endMarkBytes)...)
	}
	if _, err := j.active.WriteAt(j.buf, j.end); err != nil {
		return err
	}
	return j.active.Sync()
}

// Err returns why the journal takes no more records: nil, ErrClosed or an ErrPoisoned that wraps the cause.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	return j.failure
}

// poison stops the journal for good and returns the error that every later call gets.
func (j *Journal) poison(cause error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure == nil {
		j.failure = fmt.Errorf("%w: %w", ErrPoisoned, cause)
	}
	return j.failure
}

// Stats returns the figures of this moment.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Stats{Last: j.last, Segments: len(j.segments), Spares: len(j.spares), Replayed: j.replayed, TornBytes: j.torn}
	s.Released = j.segments[0].previous
	for i := range j.segments {
		s.Bytes += j.segments[i].size
	}
	s.Bytes += int64(len(j.spares)) * j.opt.SegmentBytes
	return s
}

// Close waits for an Append or Release that is under way, closes the files and gives the lock up. Everything that was
// appended is durable already.
func (j *Journal) Close() error {
	j.appending.Lock()
	defer j.appending.Unlock()
	j.releasing.Lock()
	defer j.releasing.Unlock()
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	j.mu.Unlock()
	if closed {
		return nil
	}
	j.makers.Wait()
	return errors.Join(j.active.Close(), j.disk.close())
}
