package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// segment is one that recovery or the journal knows to be whole.
type segment struct {
	segmentHeader
	extent
	size int64
}

// inventory is what recovery finds in the directory.
type inventory struct {
	segments  []segment // by sequence
	spares    []string
	spareStem uint64   // the highest number that the name of a spare or of an unfinished one has
	sweep     []string // files that are of no use any more
}

// takeInventory reads the names in the directory. Other people's files are left alone.
func takeInventory(d disk, opt Options) (inventory, error) {
	entries, err := d.list()
	if err != nil {
		return inventory{}, fmt.Errorf("journal: list the directory: %w", err)
	}
	var inv inventory
	for _, e := range entries {
		stem, suffix, _ := strings.Cut(e.name, ".")
		sequence, err := strconv.ParseUint(stem, 16, 64)
		if err != nil || len(stem) != 16 {
			continue
		}
		switch "." + suffix {
		case segmentSuffix:
			inv.segments = append(inv.segments, segment{segmentHeader: segmentHeader{sequence: sequence}, size: e.size})
		case spareSuffix:
			if e.size == opt.SegmentBytes && len(inv.spares) < opt.Spares {
				inv.spares = append(inv.spares, e.name)
			} else {
				inv.sweep = append(inv.sweep, e.name)
			}
		case temporarySuffix:
			inv.sweep = append(inv.sweep, e.name)
		default:
			continue
		}
		if suffix != segmentSuffix[1:] {
			inv.spareStem = max(inv.spareStem, sequence)
		}
	}
	slices.SortFunc(inv.segments, func(a, b segment) int { return cmp.Compare(a.sequence, b.sequence) })
	return inv, nil
}

// verify checks every segment and how they follow each other; nothing is changed and nothing replayed.
func (inv *inventory) verify(d disk) error {
	for i := range inv.segments {
		s := &inv.segments[i]
		if i > 0 && s.sequence != inv.segments[i-1].sequence+1 {
			missing := inv.segments[i-1].sequence + 1
			return &CorruptionError{File: d.path(segmentName(missing)), Reason: "the segment is missing between others"}
		}
		if err := s.verify(d, i == len(inv.segments)-1); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		if before := &inv.segments[i-1]; before.last != s.previous {
			return &CorruptionError{
				File: d.path(segmentName(before.sequence)), Offset: before.end,
				Reason: fmt.Sprintf("its records end at position %d, but those of the next segment continue from %d", before.last, s.previous),
			}
		}
	}
	return nil
}

// verify reads the header and all frames of one segment.
func (s *segment) verify(d disk, final bool) error {
	name := segmentName(s.sequence)
	corrupt := func(offset int64, reason string) error {
		return &CorruptionError{File: d.path(name), Offset: offset, Reason: reason}
	}
	return withWindow(d, name, func(w *window) error {
		page, err := w.view(0, segmentHeaderBytes)
		if err != nil {
			return err
		}
		h, reason, err := parseSegmentHeader(page)
		if err != nil {
			return err
		}
		if reason != "" {
			return corrupt(0, reason)
		}
		if h.sequence != s.sequence {
			return corrupt(0, fmt.Sprintf("the header belongs to segment %016x", h.sequence))
		}
		s.segmentHeader = h
		if s.extent, err = h.scan(w, nil); err != nil {
			return err
		}
		if s.mislaid {
			return corrupt(s.end, "a frame stands where another belongs")
		}
		if !final {
			return nil
		}
		at, err := h.findSalt(w, s.end+frameAlign)
		if err != nil {
			return err
		}
		if at >= 0 {
			return corrupt(s.end, fmt.Sprintf("no whole batch stands here, but a later one begins at byte %d", at))
		}
		return nil
	})
}

// secure writes the last frame of the segment again and syncs it. If the process before this one stopped at a failed
// sync, that frame may be in the page cache only, marked clean. All frames before it were synced, or it would not have
// been begun.
func (s *segment) secure(d disk) error {
	if s.lastAt == 0 {
		return nil
	}
	f, err := d.open(segmentName(s.sequence))
	if err != nil {
		return err
	}
	last := make([]byte, s.end-s.lastAt)
	_, err = f.ReadAt(last, s.lastAt)
	if _, _, ok := parseFrame(last, s.salt); err == nil && !ok {
		err = errors.New("it reads differently now")
	}
	if err == nil {
		_, err = f.WriteAt(last, s.lastAt)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replay hands every record of the segment after the position applied to each.
func (s *segment) replay(d disk, applied Position, each func(Position, []byte) error) (count int64, err error) {
	if s.last <= applied {
		return 0, nil
	}
	err = withWindow(d, segmentName(s.sequence), func(w *window) error {
		x, err := s.scan(w, func(f frame) error {
			for pos, record := range f.records() {
				if pos <= applied {
					continue
				}
				count++
				if err := each(pos, record); err != nil {
					return fmt.Errorf("replay position %d: %w", pos, err)
				}
			}
			return nil
		})
		if err == nil && x.last != s.last {
			err = fmt.Errorf("the records ended at position %d a moment ago and at %d now", s.last, x.last)
		}
		return err
	})
	return count, err
}

func withWindow(d disk, name string, do func(*window) error) error {
	f, err := d.open(name)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w, err := newWindow(f)
	if err == nil {
		err = do(w)
	}
	if corruption, ok := errors.AsType[*CorruptionError](err); ok {
		err = corruption
	} else if err != nil {
		err = fmt.Errorf("journal: %s: %w", d.path(name), err)
	}
	return errors.Join(err, f.Close())
}
