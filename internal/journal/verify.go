package journal

import (
	"errors"
	"fmt"
	"os"
)

// Verify checks the whole journal in a directory as Open would, and changes and replays nothing. It takes the lock for
// that time, so the store must not be open (ErrLocked). Further errors: CorruptionError, and fs.ErrNotExist when there
// is no such directory.
func Verify(dir string) (s Stats, err error) {
	if _, err := os.Stat(dir); err != nil {
		return Stats{}, fmt.Errorf("journal: %w", err)
	}
	opt, err := Options{Dir: dir}.withDefaults()
	if err != nil {
		return Stats{}, err
	}
	d, err := openDisk(dir)
	if err != nil {
		return Stats{}, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	inv, err := takeInventory(d, opt)
	if err != nil {
		return Stats{}, err
	}
	if err := inv.verify(d); err != nil {
		return Stats{}, err
	}
	s.Segments, s.Spares = len(inv.segments), len(inv.spares)
	for i, segment := range inv.segments {
		s.Bytes += segment.size
		if i == 0 {
			s.Released = segment.previous
		}
		if i == len(inv.segments)-1 {
			s.Last, s.TornBytes = segment.last, segment.torn
		}
	}
	return s, nil
}
