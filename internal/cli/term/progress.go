package term

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Unit is what a progress bar counts.
type Unit uint8

// The units.
const (
	People Unit = iota
	Bytes
)

// plainEvery is how often a progress is told where there is no terminal.
const plainEvery = 5 * time.Second

// Progress is a piece of work under way. It draws a bar on a terminal, writes a
// line now and then elsewhere, and is silent with JSON. Safe for concurrent use.
type Progress struct {
	term  *Term
	label string
	unit  Unit
	began time.Time

	mu    sync.Mutex
	done  int64
	total int64
	told  time.Time
	bars  *mpb.Progress // nil: no terminal
	bar   *mpb.Bar
	over  bool
}

// Progress begins one. A total of 0 is unknown.
func (t *Term) Progress(label string, total int64, unit Unit) *Progress {
	p := &Progress{term: t, label: label, unit: unit, total: total, began: time.Now()}
	p.told = p.began
	if t.JSON || !t.Live {
		return p
	}
	counters, speed := decor.CountersNoUnit("%d / %d"), decor.AverageSpeed(0, "%.0f/s")
	if unit == Bytes {
		counters, speed = decor.CountersKibiByte("% .1f / % .1f"), decor.AverageSpeed(decor.SizeB1024(0), "% .1f")
	}
	p.bars = mpb.New(mpb.WithOutput(t.Err), mpb.WithWidth(40), mpb.WithAutoRefresh())
	p.bar = p.bars.New(total, mpb.BarStyle().Lbound("").Filler("█").Tip("█").Padding("░").Rbound(""),
		mpb.PrependDecorators(decor.Name("  "+label+" ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), counters, decor.Name("  "), speed))
	return p
}

// Set tells how much is done, and of how much (0: as before).
func (p *Progress) Set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.done = done
	if total > 0 {
		p.total = total
	}
	if p.bar != nil {
		p.bar.SetTotal(max(p.total, p.done+1), false) // the end is Finish's
		p.bar.SetCurrent(p.done)
		return
	}
	if now := time.Now(); now.Sub(p.told) >= plainEvery {
		p.told = now
		p.term.Tell("  %s: %s", "", p.label, p.figures())
	}
}

// Finish ends the progress and leaves its last state standing. It may be called
// twice.
func (p *Progress) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	if p.bar != nil {
		p.bar.SetCurrent(p.done)
		p.bar.SetTotal(p.done, true)
		if !p.bar.Completed() { // nothing was done: no bar to stand
			p.bar.Abort(true)
		}
		p.bars.Wait()
		return
	}
	p.term.Tell("  %s: %s in %s", "  %s：%s，用时 %s", p.label, p.figures(), Took(time.Since(p.began)))
}

// Vanish ends the progress and leaves nothing standing, for whoever tells the
// end in their own words.
func (p *Progress) Vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}

// Bar is a full bar of the given width in characters, for a line that tells the
// end of something.
func Bar(done, total int64, width int) string {
	full := width
	if total > 0 {
		full = int(min(done, total) * int64(width) / total)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// figures says how far it is.
func (p *Progress) figures() string {
	show := func(n int64) string { return Number(n) }
	if p.unit == Bytes {
		show = Size
	}
	if p.total <= 0 || p.done >= p.total {
		return show(p.done)
	}
	return fmt.Sprintf("%s / %s (%d%%)", show(p.done), show(p.total), p.done*100/p.total)
}

// Size writes a number of bytes: 1.4 MiB.
func Size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
