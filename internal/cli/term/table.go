package term

import (
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Table prints rows in columns. It holds the rows of one page only: the first
// page decides the widths.
type Table struct {
	term   *Term
	heads  []string
	rows   [][]string
	widths []int
	indent string
	right  map[int]bool
	began  bool
}

// Table begins one; without heads there is no first line. A head that starts
// with ">" aligns its column to the right.
func (t *Term) Table(indent string, heads ...string) *Table {
	table := &Table{term: t, indent: indent, right: map[int]bool{}}
	for i, head := range heads {
		name, right := strings.CutPrefix(head, ">")
		table.right[i] = right
		table.heads = append(table.heads, name)
	}
	return table
}

// Row adds one row. The cells are made safe for the terminal.
func (b *Table) Row(cells ...string) {
	for i := range cells {
		cells[i] = Clean(cells[i])
	}
	b.rows = append(b.rows, cells)
}

// Flush prints the rows that were added since the last Flush.
func (b *Table) Flush() {
	if b.term.JSON || len(b.rows) == 0 {
		b.rows = nil
		return
	}
	rows := b.rows
	if !b.began && strings.Join(b.heads, "") != "" {
		rows = append([][]string{b.heads}, rows...)
	}
	b.began = true
	for _, row := range rows {
		for i, cell := range row {
			for len(b.widths) <= i {
				b.widths = append(b.widths, 0)
			}
			b.widths[i] = max(b.widths[i], runewidth.StringWidth(cell))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		out.WriteString(strings.TrimRight(b.line(row), " ") + "\n")
	}
	b.rows = nil
	b.term.Raw(out.String())
}

func (b *Table) line(row []string) string {
	var line strings.Builder
	line.WriteString(b.indent)
	for i, cell := range row {
		if i > 0 {
			line.WriteString("  ")
		}
		if b.right[i] {
			line.WriteString(runewidth.FillLeft(cell, b.widths[i]))
		} else {
			line.WriteString(runewidth.FillRight(cell, b.widths[i]))
		}
	}
	return line.String()
}

// Number writes a count with separators of thousands: 10,000.
func Number[N ~int | ~int32 | ~int64 | ~uint64](n N) string {
	return message.NewPrinter(language.English).Sprintf("%d", int64(n))
}

// Took writes how long something took, with two or three digits.
func Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// Moment writes a time of day that is stored in milliseconds; 0 is "-".
func Moment(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return time.UnixMilli(ms).Local().Format("2006-01-02 15:04:05")
}
